import { join } from 'node:path'
import { type ChaosProxy, chaosProxy } from '@corebus/testbed'
import { pino } from 'pino'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import type { SqlDatabase } from '../src/database/database.ts'
import { migrate } from '../src/database/schema.ts'
import { attached, count, freshTable, message, Sink, until } from '../src/fixtures/outbox-suite.ts'
import { afterKill, breaksOf, writers } from '../src/fixtures/relay-suite.ts'
import { outboxFeature, tablesOf } from '../src/outbox/tables.ts'
import { writeMessages } from '../src/outbox/write.ts'
import { Relay, type RelayOptions } from '../src/relay/relay.ts'
import { openMysql, openPg } from './pools.ts'

const { postgres: pgUrl, mariadb: mysqlUrl } = inject('servers')
const installed = inject('librariesInstalled')

/** Relays through a line that misbehaves, with a patience of tests. */
function relayThrough(database: SqlDatabase, table: string, sink: Sink, more: Partial<RelayOptions> = {}): Relay {
  const relay = new Relay({
    database,
    tables: tablesOf(table),
    logger: pino({ level: 'silent' }),
    publish: (messages) => sink.publish(messages),
    pollMs: 50,
    attempts: 10,
    retryMs: 1_000,
    holds: () => false,
    holdsSome: false,
    silentMs: 400,
    idleMs: 1_000,
    ...more,
  })
  onTestFinished(() => relay.stop(10_000))
  relay.start()
  return relay
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const TROUBLES: Readonly<Record<string, (proxy: ChaosProxy) => Promise<void>>> = {
  async cut(proxy) {
    for (let i = 0; i < 8; i++) {
      proxy.cut()
      await pause(60)
      proxy.cutAfter(200 + 700 * i)
      await pause(60)
    }
  },
  async frozen(proxy) {
    for (const ms of [100, 700, 100, 900]) {
      proxy.freeze()
      await pause(ms)
      proxy.thaw()
      await pause(100)
    }
  },
  async 'gone without a word'(proxy) {
    for (let i = 0; i < 2; i++) {
      await pause(50)
      proxy.vanish()
      await pause(500)
    }
  },
  async slowed(proxy) {
    proxy.slow({ latencyMs: 20, bytesPerSecond: 200_000 })
    await pause(1_000)
    proxy.fast()
  },
}

function lineSuite(url: string, open: (url: string) => Promise<SqlDatabase>): void {
  test.each(Object.entries(TROUBLES))('a line to the database that is %s loses nothing, and breaks no order', async (_, trouble) => {
    const database = await open(url)
    const table = freshTable()
    await migrate(database, [outboxFeature(table)])
    const proxy = await chaosProxy({ port: Number(new URL(url).port) })
    const lines = [await open(proxy.through(url)), await open(proxy.through(url))]
    // Before the pools end, which wait for connections that are being made: through a line that is gone they would wait for ever.
    onTestFinished(() => proxy.close())
    const sink = new Sink()
    // Slow enough for the line to change in the middle.
    const publish = sink.publish
    sink.publish = async (messages) => {
      await pause(5)
      await publish(messages)
    }
    for (const line of lines) relayThrough(line, table, sink)
    const { outbox } = await attached(database, { table, relay: false })
    const writing = writers(database, (tx, messages) => outbox.write(tx, messages), { transactions: 150 })
    await trouble(proxy)
    const { committed } = await writing
    await until(async () => (await count(database, table)) === 0, 25_000)
    expect(new Set(sink.ids).size).toBe(committed)
    expect(breaksOf(sink.messages)).toEqual([])
  })

  test('what is written in a transaction of the user is found without being told of its commit', async () => {
    const database = await open(url)
    const table = freshTable()
    await migrate(database, [outboxFeature(table)])
    const sink = new Sink()
    const relay = relayThrough(database, table, sink, { firstWaitMs: 60_000, pollMs: 60_000 })
    await until(() => relay.health().oldestMs === 0)
    await database.transaction((tx) => writeMessages(tx, { tables: tablesOf(table), where: 'here' }, [{ message: message('a') }]))
    relay.expect()
    await until(() => sink.ids.includes('a'))
  })

  test('what a killed relay has published and not deleted is published again', async () => {
    await afterKill(await open(url), join(import.meta.dirname, 'killed-relay.ts'), url)
  })
}

describe.skipIf(!installed || !pgUrl)('a relay on PostgreSQL', () => {
  lineSuite(pgUrl ?? '', openPg)

  test('what another process commits is told with NOTIFY, also what is in a transaction of the user', async () => {
    const database = await openPg(pgUrl ?? '')
    const table = freshTable()
    const { sink, begin, lines, health } = await attached(database, { table, pollMs: 60_000 })
    const elsewhere = await attached(database, { table, relay: false })
    begin()
    // It listens before it looks.
    await until(() => health().oldestMs === 0)
    await elsewhere.outbox.write(undefined, [{ message: message('a') }])
    await until(() => sink.ids.includes('a'))
    await database.transaction((tx) => elsewhere.outbox.write(tx, [{ message: message('b') }]))
    await until(() => sink.ids.includes('b'))
    expect(lines.filter((line) => line.includes('LISTEN'))).toEqual([])
  })

  test('a pooler that swallows LISTEN is told of once, and the outbox is polled', async () => {
    const real = await openPg(pgUrl ?? '')
    const deaf: SqlDatabase = {
      ...real,
      connect: async () => {
        const connection = await real.connect?.()
        if (!connection) throw new Error('no connection')
        // As PgBouncer answers it in transaction mode.
        return { ...connection, listen: async () => undefined }
      },
    }
    const table = freshTable()
    const { sink, begin, lines, outbox } = await attached(deaf, { table })
    begin()
    await until(() => lines.some((line) => line.includes('LISTEN')))
    await outbox.write(undefined, [{ message: message('a') }])
    await until(() => sink.ids.includes('a'))
    expect(lines.filter((line) => line.includes('LISTEN'))).toHaveLength(1)
  })

  test('a turn that a deadlock ends after its publish publishes nothing again', async () => {
    const database = await openPg(pgUrl ?? '')
    const table = freshTable()
    const sink = new Sink()
    const published = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const publish = sink.publish
    sink.publish = async (messages) => {
      await publish(messages)
      published.resolve()
      await go.promise
    }
    const { outbox, begin, lines } = await attached(database, { table, sink })
    await outbox.write(undefined, [{ message: message('a') }, { message: message('b') }])
    const other = database.transaction(async (tx) => {
      await tx.query(`SELECT seq FROM ${table} FOR UPDATE`)
      begin()
      await published.promise
      // It waits for the relay, and has done so for long when the relay waits for it: the relay is the one that finds them out.
      const waiting = tx.query(`SELECT part FROM ${tablesOf(table).parts} FOR UPDATE`)
      await pause(300)
      go.resolve()
      await waiting
    })
    await other
    await until(async () => (await count(database, table)) === 0)
    expect(sink.ids.toSorted()).toEqual(['a', 'b'])
    expect(lines.filter((line) => line.includes('deadlock'))).toHaveLength(1)
  })

  test('a relay holds one connection', async () => {
    const database = await openPg(pgUrl ?? '', { application_name: 'the relay alone' })
    const table = freshTable()
    const outside = await openPg(pgUrl ?? '')
    const { outbox } = await attached(outside, { table, relay: false })
    const { begin, sink } = await attached(database, { table })
    begin()
    for (let n = 0; n < 5; n++) await outbox.write(undefined, [{ message: message(`${n}`) }])
    await until(() => sink.messages.length === 5)
    // One more was used to try NOTIFY, and lies idle in the pool until it is ended.
    const { rows } = await outside.read((tx) =>
      tx.query("SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'the relay alone' AND query NOT LIKE '%migrate%'"),
    )
    expect(Number(rows[0]?.n)).toBeLessThanOrEqual(2)
  })
})

describe.skipIf(!installed || !mysqlUrl)('a relay on MariaDB', () => {
  lineSuite(mysqlUrl ?? '', openMysql)
})
