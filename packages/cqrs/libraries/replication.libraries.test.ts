import { DatabaseSync } from 'node:sqlite'
import { createMessaging, type Outbox, type OutboxMessage } from '@corebus/core'
import { type Dialect, type SqlSessions, type SqlTx, sqliteSession } from '@corebus/sql'
import { quoted, txOf } from '@corebus/sql/internal'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { applyChange } from '../src/replication/apply.ts'
import type { RowChange } from '../src/replication/change.ts'
import { diff, fix } from '../src/replication/diff.ts'
import { master } from '../src/replication/master.ts'
import { replica } from '../src/replication/replica.ts'
import { replication } from '../src/replication/replication.ts'
import { sync } from '../src/replication/sync.ts'
import { workingsOf } from '../src/replication/workings.ts'

const { postgres, mariadb } = inject('stores')
const open = inject('clientsInstalled') ? await import('./open.ts') : undefined

/** The types of one table on each database, by the names of their columns. */
const TYPES: Readonly<Record<Dialect, Readonly<Record<string, string>>>> = {
  postgres: {
    sku: 'bigint PRIMARY KEY',
    nome: 'varchar(80)',
    preco: 'numeric(12,2)',
    peso: 'double precision',
    ativo: 'boolean',
    dados: 'jsonb',
    criado: 'timestamptz',
    dia: 'date',
    fora: 'integer',
  },
  mysql: {
    sku: 'bigint PRIMARY KEY',
    nome: 'varchar(80) CHARACTER SET utf8mb4',
    preco: 'decimal(12,2)',
    peso: 'double',
    ativo: 'tinyint(1)',
    dados: 'json',
    criado: 'datetime(6)',
    dia: 'date',
    fora: 'integer',
  },
  sqlite: {
    sku: 'INTEGER PRIMARY KEY',
    nome: 'TEXT',
    preco: 'DECIMAL(12,2)',
    peso: 'REAL',
    ativo: 'BOOLEAN',
    dados: 'JSON',
    criado: 'TEXT',
    dia: 'TEXT',
    fora: 'INTEGER',
  },
}
const FIELDS = ['sku', 'nome', 'preco', 'peso', 'ativo', 'dados', 'criado', 'dia']

/** Values as statements of each database have them. */
const ROWS: readonly (readonly string[])[] = [
  ['1', "'Notebook ñ 😀'", '3500.00', '0.1', 'true', `'{"b": [1, null], "a": "x"}'`, 'TIME', "'2026-12-01'"],
  ['2', "''", '-0.05', '-1.5e-7', 'false', 'NULL', 'NULL', 'NULL'],
  ['9007199254740993', 'NULL', '1234567890.12', '12345678.25', 'NULL', "'[]'", 'TIME', "'1999-01-31'"],
]
const TIME: Readonly<Record<Dialect, string>> = {
  postgres: "'2026-12-01T10:00:00.123456Z'",
  mysql: "'2026-12-01 10:00:00.123456'",
  sqlite: "'2026-12-01T10:00:00.123456Z'",
}
const WIRE = [
  {
    sku: 1,
    nome: 'Notebook ñ 😀',
    preco: '3500.00',
    peso: 0.1,
    ativo: true,
    dados: { b: [1, null], a: 'x' },
    criado: '2026-12-01T10:00:00.123456Z',
    dia: '2026-12-01',
  },
  { sku: 2, nome: '', preco: '-0.05', peso: -1.5e-7, ativo: false, dados: null, criado: null, dia: null },
  {
    sku: '9007199254740993',
    nome: null,
    preco: '1234567890.12',
    peso: 12345678.25,
    ativo: null,
    dados: [],
    criado: '2026-12-01T10:00:00.123456Z',
    dia: '1999-01-31',
  },
]

type Open = () => Promise<{ value: SqlSessions<unknown>; close(): Promise<void> }>

const openSqlite: Open = async () => {
  const database = new DatabaseSync(':memory:')
  return { value: sqliteSession(database) as unknown as SqlSessions<unknown>, close: async () => database.close() }
}

let made = 0

/** A service with a table of its own, and an outbox that keeps what was committed. */
async function service(opens: Open, side: 'master' | 'replica') {
  const { value: sessions, close } = await opens()
  const { dialect } = sessions.database
  const table = `t${process.pid}_${++made}`
  const columns = Object.entries(TYPES[dialect]).map(([name, type]) => `${name} ${type}`)
  const run = (sql: string) => sessions.database.transaction((tx) => tx.query(sql))
  await run(`CREATE TABLE ${quoted(dialect, table)} (${columns.join(', ')})`)
  const written: RowChange[] = []
  const uncommitted = new Map<unknown, RowChange[]>()
  const outbox: Outbox<unknown> = {
    async write(db, messages: readonly OutboxMessage[]) {
      const into = uncommitted.get(db) ?? written
      for (const { message } of messages) into.push(JSON.parse(Buffer.from(message.body).toString()).data)
    },
  }
  const messaging = createMessaging<{ db: unknown }>({
    broker: 'memory',
    service: 'catalog',
    env: {},
    session: sessions,
    outbox,
    logLevel: 'silent',
  })
  onTestFinished(async () => {
    await messaging.close()
    await close()
  })
  const map = Object.fromEntries(FIELDS.map((field) => [field, field]))
  const definition =
    side === 'master' ? master('produto', { table, key: 'sku', fields: FIELDS }) : replica('produto', { table, map, name: table })
  const cqrs = replication(messaging, [definition], { table: `c${process.pid}_${made}` })
  await cqrs.migrate()
  await cqrs.check()
  const [workings] = workingsOf(messaging)
  if (!workings) throw new Error('it has none')
  return {
    sessions,
    dialect,
    table,
    run,
    messaging,
    cqrs,
    written,
    uncommitted,
    definition,
    master: workings.masters[0],
    replica: workings.replicas[0],
  }
}

type Service = Awaited<ReturnType<typeof service>>

const insertOf = ({ dialect, table }: Service, row: readonly string[]): string =>
  `INSERT INTO ${table} (${FIELDS.join(', ')}) VALUES (${row.map((value) => (value === 'TIME' ? TIME[dialect] : value)).join(', ')})`

/** A session that is run again, after a deadlock, records again: only its last run counts. */
async function tracked(one: Service, keys: never, work: (tx: SqlTx) => Promise<unknown>): Promise<void> {
  const { messaging, cqrs, definition, dialect, written, uncommitted } = one
  let last: unknown
  await messaging.session(async (db) => {
    last = db
    uncommitted.set(db, [])
    await cqrs.track(db, definition as never, keys, () => work(txOf(db, dialect)))
  })
  written.push(...(uncommitted.get(last) ?? []))
  uncommitted.delete(last)
}

async function applied({ sessions, dialect, replica: bound, messaging }: Service, change: RowChange): Promise<boolean> {
  if (!bound) throw new Error('it is no replica')
  const context = { logger: messaging.logger, signal: new AbortController().signal, id: '', headers: {} }
  return sessions.write(async (db) => {
    const tx = txOf(db, dialect)
    return applyChange(bound, await bound.table(tx), change, { ...context, db, tx })
  })
}

const places: Readonly<Record<string, Open | undefined>> = {
  SQLite: openSqlite,
  PostgreSQL: open && postgres ? () => open.openPostgres(postgres) : undefined,
  MariaDB: open && mariadb ? () => open.openMariadb(mariadb) : undefined,
}
const pairs = Object.keys(places).flatMap((from) => Object.keys(places).map((to) => [from, to] as const))

describe.each(pairs)('a master on %s and a replica on %s', (from, to) => {
  const [opensMaster, opensReplica] = [places[from], places[to]]
  const isThere = opensMaster !== undefined && opensReplica !== undefined

  test.skipIf(!isThere)('have the same rows, whatever the types are, and a deep comparison finds what differs and no more', async () => {
    const [ours, theirs] = [await service(opensMaster!, 'master'), await service(opensReplica!, 'replica')]
    for (const row of ROWS) await tracked(ours, [row[0]] as never, (tx) => tx.query(insertOf(ours, row)))
    expect(ours.written.map(({ row }) => row)).toEqual(WIRE)
    for (const change of ours.written.splice(0)) expect(await applied(theirs, change)).toBe(true)
    const compared = () => diff(ours.master!, theirs.replica!, { deep: true, settleMs: 0 })
    expect(await compared()).toEqual([])
    await ours.run(`UPDATE ${ours.table} SET nome = 'outside' WHERE sku = 1`)
    await ours.run(insertOf(ours, ['3', "'new'", '1', '1', 'true', 'NULL', 'NULL', 'NULL']))
    await theirs.run(`DELETE FROM ${theirs.table} WHERE sku = 2`)
    const found = await compared()
    expect(found.map(({ key, why }) => `${key} ${why}`)).toEqual(['1 fields', '2 missing', '3 unknown'])
    await fix(ours.master!, found)
    for (const change of ours.written.splice(0)) expect(await applied(theirs, change)).toBe(true)
    expect(await compared()).toEqual([])
  })
})

describe.each(['PostgreSQL', 'MariaDB'])('on %s', (where) => {
  const opens = places[where]

  test.skipIf(!opens)('a key with a blank at its end shares no revision with the one without: it has its own, or is refused', async () => {
    const { sessions, replica: bound } = await service(opens!, 'replica')
    const take = (key: string) => {
      const change = { v: 1, kind: 'save', master: 'produto', key, revision: 1, updated: '2026-12-01T10:00:00.000Z', row: {} } as const
      return sessions.database.transaction((tx) => bound!.accepted.take(tx, 'blanks', change))
    }
    expect(await take('a')).toBe(true)
    const taken = await take('a ').catch((thrown: unknown) => (thrown as { code?: string }).code)
    expect(taken).toBe(where === 'MariaDB' ? 'REPLICATION_KEY' : true)
  })
})

describe.each(['PostgreSQL', 'MariaDB'])('on %s, with many at once', (where) => {
  const opens = places[where]

  test.skipIf(!opens)(
    'rows end as the master has them, while many write them, backfills run and changes come in any order and twice',
    async () => {
      const [ours, theirs] = [await service(opens!, 'master'), await service(opens!, 'replica')]
      const keys = [1, 2, 3, 4, 5]
      await ours.run(insertOf(ours, ['4', "'before'", '0', '0', 'true', 'NULL', 'NULL', 'NULL']))
      let left = 200
      const writes = async (): Promise<void> => {
        while (left-- > 0) {
          const some = keys.filter(() => Math.random() < 0.4)
          if (some.length === 0) continue
          await tracked(ours, some as never, async (tx) => {
            for (const key of some) {
              const { rows } = await tx.query(`SELECT preco AS preco FROM ${ours.table} WHERE sku = ?`, [key])
              if (rows.length === 0) await tx.query(insertOf(ours, [`${key}`, "'n'", '0', '0', 'true', 'NULL', 'NULL', 'NULL']))
              else if (Math.random() < 0.3) await tx.query(`DELETE FROM ${ours.table} WHERE sku = ?`, [key])
              else await tx.query(`UPDATE ${ours.table} SET preco = preco + 1 WHERE sku = ?`, [key])
            }
          })
        }
      }
      const fills = async (): Promise<void> => {
        while (left > 0) await sync(ours.master!, { pageSize: 2 })
      }
      const follows = async (): Promise<void> => {
        while (left > 0 || ours.written.length > 0) {
          const at = Math.floor(Math.random() * ours.written.length)
          const [change] = Math.random() < 0.2 ? ours.written.slice(at, at + 1) : ours.written.splice(at, 1)
          if (change) await applied(theirs, change)
          else await new Promise((resolve) => setTimeout(resolve, 1))
        }
      }
      await Promise.all([writes(), writes(), writes(), writes(), fills(), follows(), follows(), follows()])
      await follows()
      const select = (table: string) => `SELECT sku AS sku, nome AS nome, CAST(preco AS CHAR(20)) AS preco FROM ${table} ORDER BY sku`
      const rowsOf = async (one: Service) => (await one.sessions.database.read((tx) => tx.query(select(one.table)))).rows
      expect(await rowsOf(theirs)).toEqual(await rowsOf(ours))
      expect(await diff(ours.master!, theirs.replica!, { deep: true, settleMs: 0 })).toEqual([])
    },
  )

  test.skipIf(!opens)('a transaction that has read before somebody else changed a row tells of the row as it is now', async () => {
    const ours = await service(opens!, 'master')
    // The change has a session of its own, wherever it is called.
    const change = (sql: string) =>
      ours.sessions.write((db) => ours.cqrs.track(db, ours.definition as never, 1, () => txOf(db, ours.dialect).query(sql)))
    await change(insertOf(ours, ['1', "'old'", '0', '0', 'true', 'NULL', 'NULL', 'NULL']))
    let isChanged = false
    const { messaging, cqrs, definition, dialect, written } = ours
    written.length = 0
    await messaging.session(async (db) => {
      await txOf(db, dialect).query(`SELECT nome AS nome FROM ${ours.table} WHERE sku = 1`)
      // Once: a database that does not allow it runs the session again.
      if (!isChanged) await change(`UPDATE ${ours.table} SET nome = 'new' WHERE sku = 1`)
      isChanged = true
      await cqrs.track(db, definition as never, 1, () => undefined)
    })
    expect(written.map(({ revision, row }) => [revision, row?.nome])).toEqual([
      [2, 'new'],
      [3, 'new'],
    ])
  })

  test.skipIf(!opens)('two who change one row at once stand one behind the other: each revision has its own row', async () => {
    const ours = await service(opens!, 'master')
    await tracked(ours, [1] as never, (tx) => tx.query(insertOf(ours, ['1', "'n'", '0', '0', 'true', 'NULL', 'NULL', 'NULL'])))
    ours.written.length = 0
    const add = () => tracked(ours, [1] as never, (tx) => tx.query(`UPDATE ${ours.table} SET preco = preco + 1 WHERE sku = 1`))
    await Promise.all(Array.from({ length: 20 }, add))
    const found = ours.written.map(({ revision, row }) => [revision, row?.preco]).sort(([a], [b]) => Number(a) - Number(b))
    expect(found).toEqual(Array.from({ length: 20 }, (_, n) => [n + 2, `${n + 1}.00`]))
  })
})
