import { createMessaging, defineEvent } from '@corebus/core'
import { migrate, sqlOutbox } from '@corebus/sql'
import pino from 'pino'
import { z } from 'zod'
import type { Comparison, Contestant } from '../measure.ts'
import { business, type Place } from './places.ts'

const logger = pino({ level: 'silent' })
const OrderPlaced = defineEvent('order.placed', z.object({ id: z.number(), customer: z.string() }), { topic: 'orders', key: 'id' })

function inserting(
  name: string,
  place: Place,
  { count, atOnce, records }: { count: number; atOnce: number; records: boolean },
): Contestant {
  return {
    name,
    async run() {
      // Nobody relays: what is compared is the transaction.
      const outbox = sqlOutbox({ relay: false })
      await business(place)
      await migrate(place.session, [outbox])
      const messaging = createMessaging({
        broker: 'memory',
        service: 'bench',
        logger,
        env: {},
        session: place.session,
        ...(records && { outbox }),
      })
      let next = 0
      const one = async (): Promise<void> => {
        while (next < count) {
          const n = next++
          await messaging.session(async (db) => {
            await place.insert(db, n)
            if (records) messaging.emit(OrderPlaced, { id: n, customer: `customer-${n}` })
          })
        }
      }
      const startedAt = performance.now()
      await Promise.all(Array.from({ length: atOnce }, one))
      const ms = performance.now() - startedAt
      await messaging.close()
      await place.run('DELETE FROM outbox')
      return ms
    },
  }
}

/** A row of the business with an event of it, against the row alone. */
export function inserts(place: Place, count: number, atOnce: number): Comparison {
  const [alone, both] = ['a row of the business, in a session', 'a row and its event, in a session']
  return {
    name: `outbox on ${place.name}: an insert with an event, ${atOnce} at a time`,
    messages: count,
    contestants: [inserting(alone, place, { count, atOnce, records: false }), inserting(both, place, { count, atOnce, records: true })],
    targets: [{ ours: both, other: alone, atLeast: 1 / 1.5 }],
  }
}
