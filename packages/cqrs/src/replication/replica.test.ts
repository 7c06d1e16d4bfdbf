import { channel } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CHANNEL, createMessaging, fixed } from '@corebus/core'
import { migrate, sqliteSession, sqlOutbox } from '@corebus/sql'
import { txOf } from '@corebus/sql/internal'
import { pino } from 'pino'
import { expect, onTestFinished, test, vi } from 'vitest'
import { MIRROR, mirror, PRODUTOS, produto, type Side, side } from '../fixtures/catalog.ts'
import { applyChange } from './apply.ts'
import { changeType, newChange, type RowChange } from './change.ts'
import { type ReplicaOptions, replica } from './replica.ts'
import { replication } from './replication.ts'

const row = (nome: string, more: object = {}) => ({ sku: 1, nome, preco: '10.00', estoque: 1, ...more })
const change = (kind: RowChange['kind'], revision: number, nome = `n${revision}`, more: object = {}): RowChange =>
  newChange({
    kind,
    master: 'produto',
    key: '1',
    revision,
    updated: `2026-12-01T10:00:0${revision}.000Z`,
    row: kind === 'delete' ? null : row(nome, more),
  })

async function follower(options: Partial<ReplicaOptions> = {}, ddl = MIRROR) {
  const one = await side([mirror(options)], ddl)
  const [bound] = one.workings.replicas
  if (!bound) throw new Error('it has none')
  const context = { logger: one.messaging.logger, signal: new AbortController().signal, id: 'm1', headers: {} }
  const apply = (given: RowChange): Promise<boolean> =>
    one.sessions.write(async (db) => {
      const tx = txOf(db, 'sqlite')
      return applyChange(bound, await bound.table(tx), given, { ...context, db, tx })
    })
  const names = () =>
    one.rows('SELECT nome, cqrs_revision AS revision FROM produto_mirror ORDER BY sku').map(({ nome, revision }) => [nome, revision])
  return { ...one, bound, apply, names }
}

test('a change is applied once, and none behind a later one, whatever comes when', async () => {
  const { apply, names } = await follower()
  expect(await apply(change('save', 2))).toBe(true)
  expect([await apply(change('save', 1)), await apply(change('save', 2))]).toEqual([false, false])
  expect(names()).toEqual([['n2', 2]])
  expect(await apply(change('save', 4))).toBe(true)
  expect(await apply(change('save', 3))).toBe(false)
  expect(names()).toEqual([['n4', 4]])
})

test('a late change of a row that is deleted does not bring it back, and a row that is made anew comes back', async () => {
  const { apply, names } = await follower()
  await apply(change('save', 1))
  await apply(change('delete', 3))
  expect(await apply(change('save', 2))).toBe(false)
  expect(names()).toEqual([])
  await apply(change('save', 4))
  expect(names()).toEqual([['n4', 4]])
})

test('a delete that comes first keeps the row from coming, and revision 0 is a real one', async () => {
  const { apply, names } = await follower()
  await apply(change('delete', 2))
  await apply(change('save', 1))
  expect(names()).toEqual([])
  const other = await follower()
  expect(await other.apply(change('save', 0))).toBe(true)
  expect(other.names()).toEqual([['n0', 0]])
})

test('a state that was asked for mends a row at its own revision, and sets back none', async () => {
  const { apply, names, database } = await follower()
  await apply(change('save', 2))
  database.exec("UPDATE produto_mirror SET nome = 'broken'")
  expect(await apply(change('save', 2))).toBe(false)
  expect(await apply(change('sync', 2))).toBe(true)
  expect(names()).toEqual([['n2', 2]])
  expect(await apply(change('sync', 1))).toBe(false)
  expect(names()).toEqual([['n2', 2]])
})

test('revisions that were passed over are counted, and a backfill passes over none', async () => {
  const { apply, bound, sessions } = await follower()
  for (const revision of [1, 2, 5]) await apply(change('save', revision))
  await apply(change('sync', 9))
  const totals = await sessions.database.read((tx) => bound.accepted.totals(tx, 'produto_mirror'))
  expect(totals).toEqual({ rows: 1, tombstones: 0, gaps: 2, lastAt: Date.parse('2026-12-01T10:00:09.000Z') })
})

test('the revision of a row is known to the code beside it, and written into the row where it has columns for it', async () => {
  const { apply, cqrs, write, rows, workings } = await follower()
  await apply(change('save', 3))
  const { replica: given } = workings.replicas[0]!
  expect(await write((db) => cqrs.revisionOf(db, given, 1))).toEqual({ revision: 3, updatedAt: new Date('2026-12-01T10:00:03.000Z') })
  expect(rows('SELECT cqrs_revision, cqrs_updated FROM produto_mirror')).toEqual([
    { cqrs_revision: 3, cqrs_updated: '2026-12-01T10:00:03.000Z' },
  ])
  await apply(change('delete', 4))
  expect(await write((db) => cqrs.revisionOf(db, given, 1))).toBeUndefined()
})

test('a change that fails leaves nothing, so that it can come again', async () => {
  const { apply, names } = await follower()
  await expect(apply(change('save', 1, null as never))).rejects.toMatchObject({
    code: 'REPLICA_VALUE',
    message: expect.stringContaining('nome'),
  })
  expect(names()).toEqual([])
  expect(await apply(change('save', 1))).toBe(true)
})

test('a replica with narrower columns refuses what it would cut, and takes numbers for decimals with its own scale', async () => {
  const { apply, rows } = await follower()
  await apply(change('save', 1, 'n', { preco: 3500 }))
  await expect(apply(change('save', 2, 'n', { preco: '1.005' }))).rejects.toMatchObject({
    code: 'REPLICA_VALUE',
    message: expect.stringContaining('2 decimal places'),
  })
  await expect(apply(change('save', 2, 'n', { estoque: 'many' }))).rejects.toMatchObject({ code: 'REPLICA_VALUE' })
  await apply(change('save', 2, 'n', { preco: '1.500', estoque: true }))
  expect(rows('SELECT preco, estoque FROM produto_mirror')).toEqual([{ preco: 1.5, estoque: 1 }])
})

test('a field that the map names and the master does not send is an error that names it', async () => {
  const { apply } = await follower()
  const { estoque: _, ...less } = row('n')
  await expect(apply({ ...change('save', 1), row: less })).rejects.toMatchObject({
    code: 'REPLICA_FIELD',
    message: expect.stringContaining('without estoque'),
  })
})

test('a hook stands in the place of the statement, in the same transaction, and may run it', async () => {
  const seen: unknown[] = []
  const { apply, names, rows } = await follower(
    {
      async apply({ key, kind }, { db, next }) {
        const became = await next()
        ;(db as DatabaseSync).prepare('INSERT INTO seen VALUES (?, ?)').run(key, `${kind} ${became}`)
        if (became === 'deleted') throw new Error('it stays')
        seen.push(became)
      },
    },
    `${MIRROR}; CREATE TABLE seen (k TEXT, what TEXT)`,
  )
  await apply(change('save', 1))
  await apply(change('save', 2))
  await expect(apply(change('delete', 3))).rejects.toThrow('it stays')
  expect([seen, names()]).toEqual([['created', 'updated'], [['n2', 2]]])
  expect(rows('SELECT what FROM seen')).toEqual([{ what: 'save created' }, { what: 'save updated' }])
})

test('a map that does not fit the table, in either direction, is refused before anything is handled', async () => {
  const refused = async (options: Partial<ReplicaOptions>, ddl = MIRROR) => {
    const { cqrs } = await side([mirror(options)], ddl)
    return cqrs.check().then(
      () => 'fine',
      (thrown: Error) => thrown.message,
    )
  }
  const map = { sku: 'sku', nome: 'nome', preco: 'preco', estoque: 'estoque' }
  expect(await refused({ map: { ...map, cor: 'cor' } })).toContain('has no column cor')
  expect(await refused({ map: { nome: 'nome', preco: 'preco', estoque: 'estoque' } })).toContain('names no field for the key sku')
  expect(await refused({ map: { sku: 'sku', nome: 'nome', preco: 'preco' } })).toContain('estoque is NOT NULL without a default')
  expect(await refused({ columns: { revision: 'rev' } })).toContain('has no column rev')
  expect(await refused({}, MIRROR.replace('cqrs_updated TEXT', 'cqrs_updated TEXT AS (nome)'))).toContain('cqrs_updated is computed')
  expect(await refused({ table: 'other', name: 'x' })).toContain('says table other')
  expect(await refused({}, MIRROR.replace('PRIMARY KEY', ''))).toContain('has no primary key')
  expect(await refused({ key: 'sku' }, MIRROR.replace('PRIMARY KEY', ''))).toBe('fine')
  expect(await refused({})).toBe('fine')
})

test('mistakes in the definition of replicas are errors where they are made', () => {
  const thrown = (make: () => unknown) => {
    try {
      make()
      return 'nothing'
    } catch (error) {
      return (error as Error).message
    }
  }
  expect(thrown(() => replica('produto', {}))).toContain('needs a table and its map, or apply')
  expect(thrown(() => replica('produto', { table: 't' }))).toContain('needs a map')
  expect(thrown(() => replica('produto', { table: 't', map: { a: 'x', b: 'x' } }))).toContain('writes the column x twice')
  expect(thrown(() => replica('produto', { table: 't', maps: {} } as never))).toContain('Did you mean map')
  expect(thrown(() => mirror({ session: false } as never))).toContain('session')
})

test('a payload that cannot be read is refused with what is wrong', () => {
  const { decode } = changeType('produto', 'produto')
  const good = change('save', 1)
  expect(decode(good)).toEqual(good)
  for (const [wire, why] of [
    [{ ...good, v: 2 }, 'version 2'],
    [{ ...good, revision: -1 }, 'revision -1'],
    [{ ...good, key: '' }, 'no key'],
    [{ ...good, row: null }, 'no row'],
    [{ ...change('delete', 1), row: {} }, 'a row'],
    [{ ...good, kind: 'SAVE' }, 'the kind'],
    [{ ...good, master: 'other' }, 'master "other"'],
    [{ ...good, updated: 'now' }, 'when it was made'],
    [[], 'no object'],
  ] as const)
    expect(() => decode(wire)).toThrow(why)
})

/** A service with a master and its own replica, an outbox and a broker in memory. */
async function loop(options: Partial<ReplicaOptions> = {}): Promise<Side & { readonly lines: () => readonly Record<string, unknown>[] }> {
  const { mkdtempSync, rmSync } = await import('node:fs')
  const { tmpdir } = await import('node:os')
  const folder = mkdtempSync(join(tmpdir(), 'corebus-cqrs-'))
  const database = new DatabaseSync(join(folder, 'catalog.db'))
  database.exec(`PRAGMA journal_mode = WAL; ${PRODUTOS}; ${MIRROR}`)
  const sessions = sqliteSession(database)
  const outbox = sqlOutbox({ pollMs: 50 })
  const written: string[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void written.push(line) })
  const messaging = createMessaging<{ db: DatabaseSync }>({
    broker: 'memory',
    service: 'catalog',
    env: {},
    session: sessions,
    outbox,
    logger,
  })
  const [Produto, mirrored] = [produto(), mirror(options)]
  const cqrs = replication(messaging, [Produto, mirrored])
  onTestFinished(async () => {
    await messaging.close()
    database.close()
    rmSync(folder, { recursive: true, force: true })
  })
  await migrate(sessions, [outbox, cqrs])
  await messaging.start()
  const lines = () => written.map((line) => JSON.parse(line) as Record<string, unknown>)
  const rows: Side['rows'] = (sql) => database.prepare(sql).all() as Record<string, unknown>[]
  const write: Side['write'] = (work) => messaging.session(async (db) => work(db, txOf(db, 'sqlite')))
  return {
    database,
    sessions,
    messaging,
    cqrs,
    write,
    rows,
    lines,
    workings: undefined as never,
    outbox: undefined as never,
    ...{ Produto },
  }
}

test('a change travels through outbox and broker, and both sides say so with id and correlation id', async () => {
  const one = await loop()
  const { Produto } = one as unknown as { Produto: ReturnType<typeof produto> }
  const { cqrs, write, database, lines, rows } = one
  const run = (sql: string) => write(() => cqrs.track(database, Produto, 12345, () => database.exec(sql), { correlationId: 'request-1' }))
  await run("INSERT INTO produtos (sku, nome, preco) VALUES (12345, 'Notebook', 3500)")
  await run('UPDATE produtos SET preco = 3400')
  await vi.waitFor(
    () => expect(rows('SELECT preco, cqrs_revision FROM produto_mirror')).toEqual([{ preco: 3400, cqrs_revision: 2 }]),
    10_000,
  )
  await run('DELETE FROM produtos')
  await vi.waitFor(() => expect(rows('SELECT * FROM produto_mirror')).toEqual([]), 10_000)
  for (const line of ['published, revision 2', 'replicated, revision 2', 'published, revision 3', 'deleted, revision 3'])
    await vi.waitFor(() =>
      expect(lines().filter(({ msg }) => msg === `produto 12345 ${line}`)).toContainEqual(
        expect.objectContaining({ id: expect.stringMatching(/^[0-9a-f-]{36}\.[23]$/), correlationId: 'request-1' }),
      ),
    )
})

test('what one process records and the relay of another publishes is said by that one, and of neither once it is closed', async () => {
  const { sessions, lines, messaging } = await loop()
  const second = produto()
  const quiet = createMessaging<{ db: DatabaseSync }>({
    broker: 'memory',
    service: 'catalog',
    env: {},
    session: sessions,
    outbox: sqlOutbox({ relay: false }),
    logger: pino({ level: 'info' }, { write: (line: string) => expect(line).not.toContain('published') }),
  })
  onTestFinished(() => quiet.close())
  const { track } = replication(quiet, [second])
  const add = (sku: number) =>
    quiet.session((db) => track(db, second, sku, () => db.exec(`INSERT INTO produtos (sku, nome, preco) VALUES (${sku}, 'n', 1)`)))
  await add(1)
  await vi.waitFor(() => expect(lines().filter(({ msg }) => msg === 'produto 1 published, revision 1')).toHaveLength(1), 10_000)
  await messaging.close()
  const { hasSubscribers } = channel(CHANNEL.publish)
  await quiet.close()
  expect([hasSubscribers, channel(CHANNEL.publish).hasSubscribers]).toEqual([true, false])
})

test('retries go by the error and name id and key, and so does the dead letter', async () => {
  const one = await loop({
    maxRetries: 3,
    backoff: fixed(1),
    retryIf: (error) => (error.message === 'integrity' ? false : 2),
    apply({ key }) {
      throw new Error(key === '1' ? 'integrity' : 'connection')
    },
  })
  const { Produto } = one as unknown as { Produto: ReturnType<typeof produto> }
  const { cqrs, write, database, lines } = one
  const insert = (sku: number) =>
    write(() => cqrs.track(database, Produto, sku, () => database.exec(`INSERT INTO produtos (sku, nome, preco) VALUES (${sku}, 'n', 1)`)))
  const about = (start: string, key: string) => lines().filter((line) => String(line.msg).startsWith(start) && line.key === key)
  for (const sku of [1, 2]) await insert(sku)
  for (const key of ['1', '2'])
    await vi.waitFor(
      () => expect(about('moved to dead letters', key)).toContainEqual(expect.objectContaining({ id: expect.any(String) })),
      10_000,
    )
  // A message may come twice, so attempts are told apart by their numbers.
  const attempts = (key: string) => [...new Set(about('retry', key).map(({ attempt }) => attempt))]
  expect([attempts('1'), attempts('2')]).toEqual([[], [1, 2]])
  expect(about('retry', '2')[0]).toMatchObject({ id: expect.any(String) })
})

test('a map that does not fit keeps the instance from starting', async () => {
  const database = new DatabaseSync(':memory:')
  database.exec(MIRROR)
  const messaging = createMessaging<{ db: DatabaseSync }>({
    broker: 'memory',
    service: 'feed',
    env: {},
    session: sqliteSession(database),
    logLevel: 'silent',
  })
  onTestFinished(() => messaging.close())
  const cqrs = replication(messaging, [mirror({ map: { sku: 'sku', nome: 'name', preco: 'preco', estoque: 'estoque' } })])
  await cqrs.migrate()
  await expect(messaging.start()).rejects.toMatchObject({ code: 'REPLICATION', message: expect.stringContaining('no column name') })
})

test('an instance whose tables were never made says what makes them', async () => {
  const database = new DatabaseSync(':memory:')
  database.exec(MIRROR)
  const messaging = createMessaging<{ db: DatabaseSync }>({
    broker: 'memory',
    service: 'feed',
    env: {},
    session: sqliteSession(database),
    logLevel: 'silent',
  })
  onTestFinished(() => messaging.close())
  replication(messaging, [mirror()])
  await expect(messaging.start()).rejects.toMatchObject({ code: 'SCHEMA', message: expect.stringContaining('npx corebus cqrs migrate') })
})

test('two replicas of one master in one group are refused before start, and have a group each', async () => {
  const second = (options: Partial<ReplicaOptions>) => mirror({ name: 'second', table: 'second', ...options })
  const both = `${MIRROR}; ${MIRROR.replace('produto_mirror', 'second')}`
  for (const group of [undefined, 'catalog'])
    await expect(side([mirror(), second(group === undefined ? {} : { group })], both)).rejects.toMatchObject({
      code: 'REPLICATION',
      message: expect.stringMatching(
        /^the replicas produto_mirror and second of produto are both in the group catalog, .* replica\(id, \{ group \}\)$/,
      ),
    })
  await (await side([mirror(), second({ group: 'others' })], both)).messaging.start()
})
