import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createMessaging, type Host, type Message, type OutboxMessage } from '@corebus/core'
import { migrate, type SqlDatabase, sqlOutbox } from '@corebus/sql'
import pino from 'pino'
import type { Comparison, Contestant } from '../measure.ts'
import { eventBody } from '../payload.ts'
import type { Place } from './places.ts'

const BYTES = 200
const WRITE = 1_000
const KEYS = 997
const BACKLOG = 1_000_000
const LATER_MS = 3_600_000
const logger = pino({ level: 'silent' })

function messageOf(n: number): Message {
  const id = `018f3b1e-0000-7000-8000-${String(n).padStart(12, '0')}`
  const headers = { 'content-type': 'application/json', 'corebus-correlation': id }
  return { id, topic: 'orders', key: String(n % KEYS), headers, body: eventBody(BYTES, n), event: 'order.created' }
}

/** The memory driver as the broker, and word of when it has so many messages. */
export async function sinkFor(count: number): Promise<{ host: Host; full: Promise<void>; close(): Promise<void> }> {
  // A broker of its own: a topic that nobody reads takes a million messages and no more.
  const sink = createMessaging({ broker: 'memory', url: `memory://${randomUUID()}`, service: 'bench', logger, env: {} })
  const driver = await sink.driver()
  await driver.ensure({ topics: ['orders'], groups: [] }, 'create')
  const over = Promise.withResolvers<void>()
  let published = 0
  const host = {
    service: 'bench',
    destination: 'memory',
    logger,
    session: undefined,
    hasOutbox: true,
    longestRetryMs: () => 0,
    publishEvent: async () => undefined,
    async publish(some: readonly Message[]) {
      await driver.publish(some, { withinMs: 10_000 })
      published += some.length
      if (published >= count) over.resolve()
    },
  } satisfies Host
  return { host, full: over.promise, close: () => sink.close() }
}

export async function fill(database: SqlDatabase, host: Host, count: number, due?: OutboxMessage['due']): Promise<void> {
  const outbox = sqlOutbox({ database, relay: false })
  const attached = outbox.attach?.(host)
  for (let at = 0; at < count; at += WRITE)
    await outbox.write(
      undefined,
      Array.from({ length: Math.min(WRITE, count - at) }, (_, n) => ({
        message: messageOf(at + n + (due ? BACKLOG : 0)),
        ...(due && { due }),
      })),
    )
  await attached?.close(10_000)
}

/** Rows that lie in the outbox are published in the order of their keys, and deleted. */
function relaying(place: Place, count: number, relays: number): Contestant {
  return {
    name: `${relays} ${relays === 1 ? 'relay' : 'relays'} on ${place.name}`,
    messages: count,
    async run() {
      const { database } = place.session
      const { host, full, close } = await sinkFor(count)
      await migrate(database, [sqlOutbox({ database })])
      await fill(database, host, count)
      const attached = Array.from({ length: relays }, () => sqlOutbox({ database }).attach?.(host))
      const startedAt = performance.now()
      for (const one of attached) one?.begin()
      await full
      while ((await place.rows()) > 0) await sleep(1)
      const ms = performance.now() - startedAt
      await Promise.all(attached.map((one) => one?.close(10_000)))
      await close()
      return ms
    },
  }
}

export function relays(
  { sqlite, postgres, mariadb }: Readonly<Record<'sqlite' | 'postgres' | 'mariadb', Place>>,
  peers: readonly Contestant[],
  count: number,
): Comparison {
  const [one, four] = [relaying(postgres, count, 1), relaying(postgres, count, 4)]
  return {
    name: 'rows of an outbox, published and deleted; jobs of peers, taken and completed on the same PostgreSQL',
    messages: count,
    contestants: [relaying(sqlite, count, 1), one, four, relaying(mariadb, count, 1), relaying(mariadb, count, 4), ...peers],
    targets: peers.flatMap((peer) => [{ ours: (peer.name.includes('4') ? four : one).name, other: peer.name, atLeast: 1 }]),
  }
}

export interface Backlog {
  readonly waiting: number
  readonly microsecondsARow: number
  readonly heapMb: number
}

/** The cost of a row while so many wait, half of them delayed. */
export async function backlog(place: Place, waiting: number, count: number): Promise<Backlog> {
  const { database } = place.session
  const { host, full, close } = await sinkFor(count)
  await migrate(database, [sqlOutbox({ database })])
  await fill(database, host, Math.max(waiting / 2, count))
  await fill(database, host, waiting / 2, { afterMs: LATER_MS })
  const relay = sqlOutbox({ database }).attach?.(host)
  global.gc?.()
  const startedAt = performance.now()
  relay?.begin()
  await full
  const ms = performance.now() - startedAt
  await relay?.close(10_000)
  await close()
  global.gc?.()
  const heapMb = Math.round(process.memoryUsage().heapUsed / 1e6)
  for (const table of ['outbox', 'outbox_delayed'])
    await place.run(place.name === 'SQLite' ? `DELETE FROM ${table}` : `TRUNCATE TABLE ${table}`)
  return { waiting, microsecondsARow: (ms * 1_000) / count, heapMb }
}
