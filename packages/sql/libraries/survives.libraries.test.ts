import { createMessaging, defineEvent, type HandlerContext, type Sessions } from '@corebus/core'
import { survives, testApp } from '@corebus/core/testing'
import { betterSqliteSession, migrate, pgliteSession, sqlInbox } from '@corebus/sql'
import { describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import type { DatabaseName } from './cases/case.ts'
import type { Opened, Writes } from './cases/session-case.ts'

const Placed = defineEvent('order.placed', z.object({ id: z.number() }), { topic: 'orders', key: 'id' })
const Counted = defineEvent('order.counted', z.object({ row: z.number() }), { topic: 'counts' })

const installed = inject('librariesInstalled')
const servers = inject('servers')
const cases = installed ? await import('./cases/sessions.ts') : undefined
const URLS: Partial<Record<DatabaseName, string | undefined>> = { SQLite: '', PGlite: '', PostgreSQL: servers.postgres }

describe.each(cases?.SESSION_CASES.filter(({ database }) => URLS[database] !== undefined) ?? [])('$library on $database', (one) => {
  test('a handler without a guard is found out by its rows, where the database is in the process', async () => {
    const { outside } = await import('./databases.ts')
    const db = await outside(one.database, URLS[one.database] ?? '', one.sqlite)
    const opened = await one.open(db.at)
    let writes: Writes | undefined
    // This session hands out what the library does, as a service has it.
    const write: Opened['write'] = (work) =>
      opened.write((given) => {
        writes = given
        return work(given.tx as never)
      })
    const session = { ...opened, write }
    let id = 0
    try {
      const counted = await tried(session, async () => writes?.insertOrder(++id))
      if (one.database === 'PostgreSQL') {
        expect(counted.unseen).toEqual([expect.stringContaining('the rows of its database')])
        return
      }
      expect(counted).toContain('delivered twice: orders 2 instead of 1')
      expect(counted).toContain('killed after call 1 of 1 (the commit), delivered again: orders 2 instead of 1')
      expect(await tried(session, async () => writes?.insertOrder(++id), { marked: true })).toEqual([])
      expect(await db.ids('orders')).toEqual([])
    } finally {
      await opened.close()
      await db.close()
    }
  })
})

async function tried<Db>(
  session: { readonly database: Opened['database'] },
  work: (db: Db, context: HandlerContext) => Promise<unknown>,
  { marked = false }: { readonly marked?: boolean } = {},
) {
  const inbox = sqlInbox({ database: session.database })
  if (marked) await migrate(session.database, [inbox])
  const messaging = createMessaging({ service: 'shop', session: session as Sessions<unknown> & typeof session, ...(marked && { inbox }) })
  messaging.on(Placed, {}, (_, context) => work(context.db as Db, context))
  await using app = await testApp({ messaging })
  return await survives(app, Placed, { id: 7 })
}

/** A row that no restoring may change: quotes, question marks, bytes, nothing, columns that follow from others. */
const SQLITE = `CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT, price REAL, raw BLOB, big INTEGER, twice GENERATED ALWAYS AS (price * 2));
  CREATE TABLE parts (item INTEGER NOT NULL REFERENCES items (id) ON DELETE RESTRICT, n INTEGER);
  CREATE TABLE log (what TEXT);
  CREATE TRIGGER told AFTER INSERT ON items BEGIN INSERT INTO log VALUES ('item ' || new.id); END;
  INSERT INTO items (note, price, raw, big) VALUES ('is it? ''yes''', 0.1, X'00FF', 9007199254740993), (NULL, 1e300, NULL, 0);
  INSERT INTO parts VALUES (1, 1)`
const POSTGRES = `CREATE SCHEMA IF NOT EXISTS far;
  CREATE TABLE items (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text, price numeric, raw bytea, big bigint,
    tags jsonb DEFAULT '["a?"]', at timestamptz DEFAULT '2026-01-01T00:00:00Z', twice numeric GENERATED ALWAYS AS (price * 2) STORED);
  CREATE TABLE far.parts (item integer NOT NULL REFERENCES items (id), n integer);
  CREATE TABLE log (what text);
  CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES ('item ' || new.id); RETURN new; END $$;
  CREATE TRIGGER told AFTER INSERT ON items FOR EACH ROW EXECUTE FUNCTION tell();
  INSERT INTO items (note, price, raw, big) VALUES ('is it? ''yes'' \\', 0.1, '\\x00ff', 9007199254740993), (NULL, 1, NULL, 0);
  INSERT INTO far.parts VALUES (1, 1)`

describe.runIf(installed)('everything is put back as it was, with triggers, foreign keys and numbers that are given once', () => {
  test('in better-sqlite3', async () => {
    const { default: Sqlite } = await import('better-sqlite3')
    const db = new Sqlite(':memory:')
    db.pragma('foreign_keys = ON')
    db.exec(SQLITE)
    const all = () => ['items', 'parts', 'log', 'sqlite_sequence'].map((table) => db.prepare(`SELECT * FROM ${table}`).safeIntegers().all())
    const before = all()
    const insert = async (tx: typeof db) => {
      const { lastInsertRowid } = tx.prepare("INSERT INTO items (note) VALUES ('new')").run()
      tx.prepare('INSERT INTO parts VALUES (?, 2)').run(lastInsertRowid)
      tx.prepare("UPDATE items SET note = 'old' WHERE id = 1").run()
      return Number(lastInsertRowid)
    }
    const session = betterSqliteSession(db)
    expect(await tried<typeof db>(session, insert)).toContain(
      'delivered twice: items 4 instead of 3, log 4 instead of 3, parts 3 instead of 2',
    )
    expect(all()).toEqual(before)
    expect(await tried<typeof db>(session, insert, { marked: true })).toEqual([])
    expect(all()).toEqual(before)
    db.close()
  })

  test('in PGlite, where a run that was rolled back has used up no number', async () => {
    const { PGlite } = await import('@electric-sql/pglite')
    const db = await PGlite.create()
    await db.exec(POSTGRES)
    const all = () =>
      db.exec('SELECT * FROM items ORDER BY id; SELECT * FROM far.parts; SELECT * FROM log; SELECT last_value FROM pg_sequences')
    const before = await all()
    type Tx = Parameters<Parameters<typeof db.transaction>[0]>[0]
    const insert = async (tx: Tx, { publishEvent }: HandlerContext) => {
      const { rows } = await tx.query<{ id: number }>("INSERT INTO items (note) VALUES ('new') RETURNING id")
      const row = Number(rows[0]?.id)
      await tx.query('INSERT INTO far.parts VALUES ($1, 2)', [row])
      await publishEvent(Counted, { row })
    }
    const session = pgliteSession(db)
    expect(await tried<Tx>(session, insert)).toContain(
      'delivered twice: far.parts 3 instead of 2, items 4 instead of 3, log 4 instead of 3',
    )
    expect(await all()).toEqual(before)
    expect(await tried<Tx>(session, insert, { marked: true })).toEqual([])
    expect(await all()).toEqual(before)
    await db.close()
  })
})
