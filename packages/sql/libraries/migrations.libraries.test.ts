import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate, pgSession, sqlInbox, sqlOutbox } from '@corebus/sql'
import { describe, expect, inject, onTestFinished, test } from 'vitest'

const { postgres: url } = inject('servers')
const installed = inject('librariesInstalled')
let named = 0

/** A database of its own, and what is in it. */
async function fresh() {
  const { default: pg } = await import('pg')
  const name = `migrated_${named++}`
  const admin = new pg.Client(url)
  await admin.connect()
  await admin.query(`DROP DATABASE IF EXISTS ${name}`)
  await admin.query(`CREATE DATABASE ${name}`)
  await admin.end()
  const at = new URL(url ?? '')
  at.pathname = `/${name}`
  const pool = new pg.Pool({ connectionString: at.href })
  onTestFinished(() => pool.end())
  const columns = async (): Promise<readonly unknown[]> =>
    (
      await pool.query(
        `SELECT table_name, column_name, data_type, column_default, is_nullable FROM information_schema.columns WHERE table_schema = 'public' AND (table_name LIKE 'outbox%' OR table_name IN ('processed_events', 'corebus_schema')) ORDER BY 1, 2`,
      )
    ).rows
  const indexes = async (): Promise<readonly unknown[]> =>
    (
      await pool.query(
        `SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' AND (tablename LIKE 'outbox%' OR tablename IN ('processed_events', 'corebus_schema')) ORDER BY 1, 2`,
      )
    ).rows
  const rows = async (): Promise<unknown> => (await pool.query('SELECT name, version FROM corebus_schema ORDER BY 1')).rows
  return { pool, made: async () => [await columns(), await indexes(), await rows()] }
}

/** What `migrate` makes. */
async function expected(): Promise<unknown> {
  const { pool, made } = await fresh()
  await migrate(pgSession(pool), [sqlOutbox(), sqlInbox()])
  return made()
}

describe.skipIf(!installed || !url)('tables made by migrations of', () => {
  test('Kysely are those that migrate() makes, also when it runs after them', async () => {
    const { Kysely, PostgresDialect } = await import('kysely')
    const { Migrator } = await import('kysely/migration')
    const { outboxAndInbox } = await import('./how-to/migrations.ts')
    const { pool, made } = await fresh()
    const db = new Kysely({ dialect: new PostgresDialect({ pool }) })
    const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ '0001_outbox': outboxAndInbox }) } })
    const { error } = await migrator.migrateToLatest()
    expect(error).toBeUndefined()
    expect(await made()).toEqual(await expected())
    await migrate(pgSession(pool), [sqlOutbox(), sqlInbox()])
    expect(await made()).toEqual(await expected())
  })

  test('Drizzle are those that migrate() makes', async () => {
    const { drizzle } = await import('drizzle-orm/node-postgres')
    const { migrate: run } = await import('drizzle-orm/node-postgres/migrator')
    const { drizzleMigration } = await import('./how-to/migrations.ts')
    const { pool, made } = await fresh()
    const migrationsFolder = mkdtempSync(join(tmpdir(), 'corebus-drizzle-'))
    mkdirSync(join(migrationsFolder, 'meta'))
    const entries = [{ idx: 0, version: '7', when: 1, tag: '0001_outbox', breakpoints: true }]
    writeFileSync(join(migrationsFolder, 'meta', '_journal.json'), JSON.stringify({ version: '7', dialect: 'postgresql', entries }))
    drizzleMigration(migrationsFolder)
    await run(drizzle(pool), { migrationsFolder })
    expect(await made()).toEqual(await expected())
  })

  test('Prisma, whose file is run as one text, are those that migrate() makes', async () => {
    const { prismaMigration } = await import('./how-to/migrations.ts')
    const { pool, made } = await fresh()
    await pool.query(prismaMigration())
    expect(await made()).toEqual(await expected())
  })
})
