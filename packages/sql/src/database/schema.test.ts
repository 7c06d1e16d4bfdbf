import { DatabaseSync } from 'node:sqlite'
import { CorebusError } from '@corebus/core'
import { expect, onTestFinished, test } from 'vitest'
import { freshDatabase } from '../fixtures/database.ts'
import { hostOf } from '../fixtures/host.ts'
import { until } from '../fixtures/until.ts'
import { sqlInbox } from '../inbox/inbox.ts'
import { sqlOutbox } from '../outbox/outbox.ts'
import { defineSchedule } from '../schedule/schedule.ts'
import { sqlSchedules } from '../schedule/schedules.ts'
import { sqliteSession } from '../session/sqlite.ts'
import { migrate } from './schema.ts'

const ADVICE =
  /^the tables of (\w+) are not in .*orders\.db: run `npx corebus outbox migrate`, call migrate\(\), or run what `npx corebus outbox ddl` prints, once/

interface Line {
  readonly level: number
  readonly err?: { readonly message: string; readonly code?: string }
}

test.each([
  ['a relay', 'outbox', () => sqlOutbox()],
  ['schedules', 'schedules', () => sqlSchedules({ only: [defineSchedule('nightly', '0 3 * * *', () => undefined)] })],
  ['the clean-up of an inbox', 'processed_events', () => sqlInbox({ cleanUpMs: 1 })],
] as const)('%s whose table is missing says what to do, once', async (_, table, made) => {
  const sessions = sqliteSession(freshDatabase().database)
  const host = hostOf(sessions)
  const part = made()
  const attached = part.attach?.(host)
  attached?.begin()
  const lines = (): Line[] => host.lines.map((line) => JSON.parse(line) as Line)
  try {
    await until(() => {
      const told = lines().flatMap(({ err }) => (err?.code === 'SCHEMA' ? [ADVICE.exec(err.message)?.[1]] : []))
      expect(told).toEqual([table])
    })
  } finally {
    await attached?.close(1_000)
  }
})

test('an inbox whose table is missing fails the handler with what to do', async () => {
  const sessions = sqliteSession(freshDatabase().database)
  const inbox = sqlInbox()
  const attached = inbox.attach?.(hostOf(sessions))
  const marked = sessions.write((db) => inbox.firstTime(db, 'billing', { topic: 'orders', id: '1' }))
  await expect(marked).rejects.toMatchObject({ code: 'SCHEMA', message: expect.stringMatching(ADVICE) })
  await attached?.close(1_000)
})

test.each([0, 99])('tables of version %i are not said to be made', async (version) => {
  const { database } = freshDatabase()
  const sessions = sqliteSession(database)
  const outbox = sqlOutbox()
  await migrate(sessions, [outbox])
  database.exec(`UPDATE corebus_schema SET version = ${version}`)
  await expect(migrate(sessions, [outbox])).rejects.toMatchObject({
    code: 'SCHEMA',
    message: expect.stringContaining(`of version ${version}`),
  })
})

test('migrate says what it wants where it was given a pool, one part instead of an array, or something else', async () => {
  const sessions = sqliteSession(freshDatabase().database)
  const wrong: [where: unknown, parts: unknown, code: string][] = [
    [{ connect: () => undefined }, [sqlOutbox()], 'SQL_DATABASE'],
    [sessions, sqlOutbox(), 'OPTION'],
    [sessions, undefined, 'OPTION'],
    [sessions, [sessions], 'OPTION'],
    [sessions, [undefined], 'OPTION'],
  ]
  for (const [where, parts, code] of wrong) {
    const made = migrate(where as never, parts as never)
    await expect(made).rejects.toBeInstanceOf(CorebusError)
    await expect(made).rejects.toMatchObject({ code })
  }
})

test('a process that starts beside one that writes waits for nobody when the tables are there, and makes one that was removed', async () => {
  const { database, file } = freshDatabase()
  const sessions = sqliteSession(database, { busyTimeoutMs: 50 })
  const parts = [sqlOutbox(), sqlInbox()]
  await migrate(sessions, parts)
  const writer = new DatabaseSync(file)
  onTestFinished(() => writer.close())
  writer.exec('BEGIN IMMEDIATE')
  await migrate(sessions, parts)
  writer.exec('DROP TABLE processed_events; COMMIT')
  await migrate(sessions, parts)
  expect(database.prepare('SELECT count(*) AS n FROM processed_events').get()).toEqual({ n: 0 })
})
