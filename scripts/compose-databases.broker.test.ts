// docker-compose.yaml cannot be run here: no engine. What it gives its databases to run once is given to those that are installed.
import { readFileSync } from 'node:fs'
import { startMariadb, startPostgres } from '@corebus/testbed'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { composeFile, mountedFiles, type Service } from './compose.ts'

/** The statements that a service of the compose file mounts where its image runs them. */
function statementsOf(name: string): string {
  const mounted = mountedFiles(composeFile().services[name] as Service) // without it everything here fails
  return [...mounted].flatMap(([to, from]) => (to.startsWith('/docker-entrypoint-initdb.d/') ? readFileSync(from, 'utf8') : [])).join('\n')
}

const mariadb = await startMariadb()
afterAll(() => mariadb?.stop())

describe.skipIf(!mariadb)('the MariaDB of docker-compose.yaml', { timeout: 60_000 }, () => {
  const as = (user: string, database: string) => createConnection(`mysql://${user}:${user}@127.0.0.1:${mariadb?.port}/${database}`)

  test('knows ecommerce, who may do everything in the database of that name and nothing in another', async () => {
    await expect(as('ecommerce', 'ecommerce')).rejects.toThrow('Access denied')
    mariadb?.sql(statementsOf('mariadb'))
    const connection = await as('ecommerce', 'ecommerce')
    await connection.query('CREATE TABLE names (name VARCHAR(20))')
    await connection.query('INSERT INTO names VALUES (?)', ['João 🛒'])
    expect((await connection.query('SELECT name FROM names'))[0]).toEqual([{ name: 'João 🛒' }])
    await connection.end()
    await expect(as('ecommerce', 'corebus')).rejects.toThrow('Access denied')
  })
})

const postgres = await startPostgres()
afterAll(() => postgres?.stop())

describe.skipIf(!postgres)('the PostgreSQL of docker-compose.yaml', { timeout: 60_000 }, () => {
  const as = async (user: string) => {
    const client = new pg.Client(`postgres://${user}:${user}@127.0.0.1:${postgres?.port}/ecommerce`)
    await client.connect()
    return client
  }

  test('knows ecommerce, who owns the database of that name', async () => {
    await expect(as('ecommerce')).rejects.toThrow('does not exist')
    postgres?.sql(statementsOf('postgres'))
    const client = await as('ecommerce')
    await client.query('CREATE TABLE names (name text)')
    await client.query('INSERT INTO names VALUES ($1)', ['João'])
    expect((await client.query('SELECT name FROM names')).rows).toEqual([{ name: 'João' }])
    await client.end()
  })
})
