import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { betterSqliteSession } from './better-sqlite3.ts'
import { mysqlSession } from './mysql2.ts'
import { pgSession } from './pg.ts'
import { pgliteSession } from './pglite.ts'
import { postgresSession } from './postgres-js.ts'
import { prismaSession } from './prisma.ts'
import { sqliteSession } from './sqlite.ts'

const SESSIONS: Readonly<Record<string, (given: never) => unknown>> = {
  pgSession,
  postgresSession,
  pgliteSession,
  mysqlSession,
  prismaSession: (given) => prismaSession(given, { dialect: 'postgres' }),
  sqliteSession,
  betterSqliteSession,
}

test.each(Object.entries(SESSIONS))('%s says what it wants where an address, nothing, or something else was given', (name, session) => {
  for (const given of ['postgres://localhost/orders', undefined, null, {}])
    expect(() => session(given as never)).toThrow(
      expect.objectContaining({
        code: 'TX_DIALECT',
        message: expect.stringMatching(new RegExp(`^${name} wants .*, not (undefined|something else)$`)),
      }),
    )
})

test('a session says it where another object of the library was given', () => {
  const client = { connect: async () => undefined, connectionParameters: {} }
  expect(() => pgSession(client as never)).toThrow(
    'pgSession wants a Pool of pg, as new pg.Pool({ connectionString }) makes it, not a Client',
  )
  const callbacks = { getConnection: () => undefined, promise: () => ({}) }
  expect(() => mysqlSession(callbacks as never)).toThrow('not one of mysql2, which has callbacks')
  using database = new DatabaseSync(':memory:')
  expect(() => betterSqliteSession(database as never)).toThrow('betterSqliteSession wants a Database of better-sqlite3')
  const better = { prepare: () => undefined, pragma: () => undefined }
  expect(() => sqliteSession(better as never)).toThrow('not one of better-sqlite3, which has betterSqliteSession')
})
