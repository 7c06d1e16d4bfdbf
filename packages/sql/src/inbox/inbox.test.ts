import { randomUUID } from 'node:crypto'
import { createMessaging } from '@corebus/core'
import { expect, onTestFinished, test } from 'vitest'
import { migrate } from '../database/schema.ts'
import { add, freshDatabase, ids } from '../fixtures/database.ts'
import { hostOf } from '../fixtures/host.ts'
import { until } from '../fixtures/until.ts'
import { sqliteSession } from '../session/sqlite.ts'
import { type SqlInboxOptions, sqlInbox } from './inbox.ts'

async function inboxOn(options: SqlInboxOptions = {}, longestRetryMs = 0) {
  const { database } = freshDatabase()
  const sessions = sqliteSession(database)
  const inbox = sqlInbox(options)
  await migrate(sessions.database, [inbox.feature])
  const host = hostOf(sessions, { longestRetryMs })
  const attached = inbox.attach?.(host)
  if (!attached) throw new Error('an inbox is attached')
  onTestFinished(() => attached.close(1_000))
  const first = (group: string, topic: string, id: string) => sessions.write((db) => inbox.firstTime(db, group, { topic, id }))
  const rows = () =>
    database
      .prepare("SELECT id FROM processed_events WHERE grp <> '' ORDER BY id")
      .all()
      .map(({ id }) => id)
  return { database, sessions, inbox, attached, host, first, rows }
}

test('a message is new to each group and topic once', async () => {
  const { first } = await inboxOn()
  expect(await first('billing', 'orders', 'a')).toBe(true)
  expect(await first('billing', 'orders', 'a')).toBe(false)
  expect(await first('mails', 'orders', 'a')).toBe(true)
  expect(await first('billing', 'payments', 'a')).toBe(true)
  expect(await first('billing', 'orders', 'b')).toBe(true)
})

test('a message whose session rolled back is new again', async () => {
  const { sessions, inbox, first } = await inboxOn()
  const failing = sessions.write(async (db) => {
    expect(await inbox.firstTime(db, 'billing', { topic: 'orders', id: 'a' })).toBe(true)
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(await first('billing', 'orders', 'a')).toBe(true)
})

const LONG = 'x'.repeat(1_000)

test('ids that differ in anything are different: case, spaces, accents, length, a NUL', async () => {
  const { first } = await inboxOn()
  const all = ['a', 'A', 'a ', ' a', 'ä', 'a\u0308', 'a\0', LONG, `${LONG}y`, 'sha256:', '😀', `sha256:${'0'.repeat(64)}`]
  for (const id of all) expect([id, await first('billing', 'orders', id)]).toEqual([id, true])
  for (const id of all) expect([id, await first('billing', 'orders', id)]).toEqual([id, false])
})

test('a handler is called once for a message that comes twice, and again for one that it failed', async () => {
  const { database, sessions, inbox } = await inboxOn()
  const messaging = createMessaging({
    broker: 'memory',
    url: `memory://${randomUUID()}`,
    service: 'orders-api',
    session: sessions,
    inbox,
    env: { LOG_LEVEL: 'silent' },
  })
  onTestFinished(() => messaging.close())
  const calls: string[] = []
  messaging.handle({ topic: 'orders', maxRetries: 2, retryDelayMs: 1 }, async ({ id }: { id: number }, { db, attempt, headers }) => {
    calls.push(`${id}:${attempt}`)
    add(db as typeof database, id)
    if (headers['x-fails'] === 'once' && attempt === 1) throw new Error('the first time')
  })
  await messaging.start()
  const producer = messaging.getProducer()
  await producer.send('orders', { id: 1 }, { id: 'one', headers: { 'x-fails': 'once' } })
  await until(() => expect(ids(database)).toEqual([1]))
  // Its row would violate the primary key.
  await producer.send('orders', { id: 1 }, { id: 'one' })
  await producer.send('orders', { id: 2 }, { id: 'two' })
  await until(() => expect(ids(database)).toEqual([1, 2]))
  await messaging.close()
  expect(calls).toEqual(['1:1', '1:2', '2:1'])
})

test('what has expired is deleted in batches, and nothing else', async () => {
  const { database, attached, rows } = await inboxOn({ keepMs: 60_000, cleanUpMs: 5 })
  const insert = database.prepare(
    "INSERT INTO processed_events VALUES ('billing', 'orders', ?, CAST(unixepoch('subsec') * 1000 AS INTEGER) - ?)",
  )
  database.exec('BEGIN')
  for (let n = 0; n < 2_500; n++) insert.run(`old-${n}`, 60_000 + n)
  insert.run('young', 30_000)
  database.exec('COMMIT')
  attached.begin()
  await until(() => expect(rows()).toEqual(['young']))
})

test('a clean-up that fails is said once, and when it works again', async () => {
  const { database, attached, host } = await inboxOn({ cleanUpMs: 2 })
  database.exec('ALTER TABLE processed_events RENAME TO gone')
  attached.begin()
  await until(() => expect(host.lines).toHaveLength(1))
  database.exec('ALTER TABLE gone RENAME TO processed_events')
  await until(() =>
    expect(host.lines.map((line) => JSON.parse(line).msg)).toEqual([
      expect.stringMatching(/^inbox: what has expired cannot/),
      expect.stringMatching(/again$/),
    ]),
  )
})

test('an inbox that forgets sooner than a message is retried is refused, and so is one without its table', async () => {
  const { attached, database } = await inboxOn({ keepMs: 1_000 }, 1_001)
  await expect(attached.check?.()).rejects.toMatchObject({ code: 'INBOX_KEEP', message: expect.stringContaining('keepMs: 1001 or more') })
  const good = await inboxOn({ keepMs: 1_001 }, 1_001)
  await good.attached.check?.()
  good.database.exec('DROP TABLE corebus_schema')
  await expect(good.attached.check?.()).rejects.toMatchObject({ code: 'SCHEMA' })
  database.exec('UPDATE corebus_schema SET version = 7')
})

test("an inbox beside a session of the user's own says that it needs a database, and a misspelt option is an error", async () => {
  expect(() => sqlInbox().attach?.(hostOf(async () => undefined))).toThrow(expect.objectContaining({ code: 'SQL_DATABASE' }))
  expect(() => sqlInbox({ keepForMs: 1 } as SqlInboxOptions)).toThrow(expect.objectContaining({ code: 'OPTION' }))
  expect(() => sqlInbox({ table: 'x; DROP TABLE y' })).toThrow(expect.objectContaining({ code: 'OPTION' }))
  expect(() => sqlInbox({ database: {} as never })).toThrow(expect.objectContaining({ code: 'OPTION' }))
})

test('a transaction that can only read, or is none, is refused', async () => {
  const { database, sessions, inbox } = await inboxOn()
  await expect(sessions.read((db) => inbox.firstTime(db, 'billing', { topic: 'orders', id: 'a' }))).rejects.toMatchObject({
    code: 'TX_AUTOCOMMIT',
  })
  await expect(inbox.firstTime(database, 'billing', { topic: 'orders', id: 'a' })).rejects.toMatchObject({ code: 'TX_AUTOCOMMIT' })
})

test('a transaction of another database than the inbox is in is refused', async () => {
  const { sessions } = await inboxOn()
  const inbox = sqlInbox({ database: { ...sessions.database, dialect: 'postgres' } })
  inbox.attach?.(hostOf(undefined))
  const marking = sessions.write((db) => inbox.firstTime(db, 'billing', { topic: 'orders', id: 'a' }))
  await expect(marking).rejects.toMatchObject({ code: 'TX_DIALECT' })
})
