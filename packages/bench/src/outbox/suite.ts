import { join } from 'node:path'
import { broker } from '@corebus/testbed'
import { inFolder } from '../folder.ts'
import type { Comparison } from '../measure.ts'
import { besideOpen, type Minute } from './held.ts'
import { inserts } from './insert.ts'
import { commitToHandler, type Wait } from './latency.ts'
import { graphileWorker, pgBoss } from './peers.ts'
import { openPlaces, type Places } from './places.ts'
import { type Backlog, backlog, relays } from './relay.ts'

const INSERTS = 3_000
const ROWS = 40_000
const WAITS = 500
const FEW = 1_000
const MANY = 1_000_000

/** Transactions with an event in the outbox, and its relay against peers. */
export function comparisons(places: Places): readonly Comparison[] {
  const peers = [1, 4].flatMap((many) => [graphileWorker(places.url, ROWS, many), pgBoss(places.url, ROWS, many)])
  return [
    ...[places.sqlite, places.postgres, places.mariadb].flatMap((place) => [inserts(place, INSERTS, 1), inserts(place, INSERTS, 10)]),
    relays(places, peers, ROWS),
  ]
}

/** From the commit of a session to the handler of its event. */
export async function waits({ sqlite, postgres }: Places): Promise<readonly Wait[]> {
  const redis = await broker('redis', { own: true })
  if (!redis) throw new Error('Redis is needed: apt-get install redis-server')
  try {
    return await inFolder(async (folder) => {
      const brokers = [
        { name: 'sqlite', env: { SQLITE_PATH: join(folder, 'messages.db') } },
        { name: 'redis', env: redis.env },
      ]
      const all: Wait[] = []
      for (const { name, env } of brokers) {
        all.push(await commitToHandler({ place: sqlite, broker: name, env, told: 'in the process', messages: WAITS }))
        all.push(await commitToHandler({ place: postgres, broker: name, env, told: 'in the process', messages: WAITS }))
        all.push(await commitToHandler({ place: postgres, broker: name, env, told: 'by NOTIFY', messages: WAITS }))
      }
      return all
    })
  } finally {
    await redis.stop()
  }
}

/** A relay beside a transaction that stays open. */
export const held = async (all: Places): Promise<readonly Minute[]> => besideOpen(all)

/** The cost of a row beside a few that wait and beside a million. */
export async function backlogs({ sqlite, postgres, mariadb }: Places): Promise<Readonly<Record<string, readonly Backlog[]>>> {
  const costs: Record<string, readonly Backlog[]> = {}
  for (const place of [sqlite, postgres, mariadb]) {
    await backlog(place, FEW, ROWS) // warms up
    costs[place.name] = [await backlog(place, FEW, ROWS), await backlog(place, MANY, ROWS), await backlog(place, FEW, ROWS)]
  }
  return costs
}

let opened: { readonly folder: Promise<void>; readonly places: Promise<Places>; close(): Promise<void> } | undefined

/** The databases, opened when they are asked for and closed with the run. */
export function places(): Promise<Places> {
  if (opened) return opened.places
  const given = Promise.withResolvers<Places>()
  const over = Promise.withResolvers<void>()
  const folder = inFolder(async (path) => {
    const all = await openPlaces(path)
    given.resolve(all)
    await over.promise
    await all.close()
  })
  folder.catch(given.reject)
  opened = {
    folder,
    places: given.promise,
    async close() {
      over.resolve()
      await folder
    },
  }
  return opened.places
}

export const closePlaces = async (): Promise<void> => opened?.close()
