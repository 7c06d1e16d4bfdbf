import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { freshDatabase } from '../fixtures/database.ts'
import { attached, count, freshTable, message, Sink, until } from '../fixtures/outbox-suite.ts'
import { afterKill, relaySuite } from '../fixtures/relay-suite.ts'
import { outboxStore } from '../outbox/store.ts'
import { tablesOf } from '../outbox/tables.ts'
import { sqliteSession } from '../session/sqlite.ts'
import { takeLease } from './lease.ts'
import { ALL_PARTS } from './rows.ts'
import { leasedTurn } from './turn.ts'

const fresh = () => {
  const { file, database } = freshDatabase()
  return { file, connection: database, database: sqliteSession(database).database }
}

describe('a relay on SQLite', () => {
  relaySuite(async () => fresh().database)

  test('what a killed relay has published and not deleted is published again', async () => {
    const { file, database } = fresh()
    await afterKill(database, join(import.meta.dirname, '../fixtures/killed-relay-sqlite.ts'), file)
  })

  test('sessions write while the broker is waited for', async () => {
    const { database } = fresh()
    const table = freshTable()
    const sink = new Sink()
    const broker = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    sink.publish = async (messages) => {
      asked.resolve()
      await broker.promise
      sink.messages.push(...messages)
    }
    const { outbox, begin } = await attached(database, { table, sink })
    await outbox.write(undefined, [{ message: message('a') }])
    begin()
    await asked.promise
    await outbox.write(undefined, [{ message: message('b') }])
    expect(await count(database, table)).toBe(2)
    broker.resolve()
    await until(async () => (await count(database, table)) === 0)
    expect(sink.ids).toEqual(['a', 'b'])
  })

  test('what another process commits is found long before the next poll', async () => {
    const { file, database } = fresh()
    const table = freshTable()
    const { sink, begin } = await attached(database, { table, pollMs: 60_000 })
    begin()
    // Another connection stands for another process: its commits are not signalled to this outbox.
    const { DatabaseSync } = await import('node:sqlite')
    const other = new DatabaseSync(file)
    const elsewhere = await attached(sqliteSession(other).database, { table })
    await elsewhere.outbox.write(undefined, [{ message: message('a') }])
    await until(() => sink.ids.includes('a'))
    await elsewhere.close()
    other.close()
  })

  test('a relay that was stopped for longer than its lease deletes nothing of what another one has by then', async () => {
    const { database } = fresh()
    const table = freshTable()
    const { outbox } = await attached(database, { table })
    const tables = tablesOf(table)
    await outbox.write(undefined, [{ message: message('a') }])
    const late = await takeLease(database, tables, { owner: 'late', back: [], leaseMs: 1 })
    await sleep(5)
    expect(await takeLease(database, tables, { owner: 'other', back: [], leaseMs: 60_000 }).then((lease) => lease !== undefined)).toBe(true)
    if (!late) throw new Error('nobody had the lease')
    const options = { tables, attempts: 1, retryMs: 1, holds: () => false, holdsSome: false, logger: pino({ level: 'silent' }) }
    const turn = leasedTurn(database, late, ALL_PARTS, { ...options, publish: async () => undefined })
    await expect(turn).rejects.toMatchObject({ code: 'RELAY_LATE' })
    await database.transaction(async (tx) => late.release(tx))
    expect(await takeLease(database, tables, { owner: 'third', back: [] })).toBeUndefined()
    expect(await outboxStore(database, table).status()).toMatchObject({ waiting: 1 })
  })
})
