import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { CHANNEL, type HandleRecord } from '@corebus/core'
import { outboxStore } from '@corebus/sql'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import type { DatabaseName } from './cases/case.ts'
import type { Outside } from './databases.ts'
import type { Example } from './how-to/events.ts'

const { postgres, mariadb } = inject('servers')
const installed = inject('librariesInstalled')
const pages = installed
  ? { ...(await import('./how-to/builders.ts')), ...(await import('./how-to/drivers.ts')), ...(await import('./how-to/orms.ts')) }
  : undefined
const events = installed ? await import('./how-to/events.ts') : undefined
type Pages = NonNullable<typeof pages>

const EXAMPLES: readonly (readonly [page: keyof Pages, database: DatabaseName])[] = [
  ['overKysely', 'PostgreSQL'],
  ['overDrizzle', 'PostgreSQL'],
  ['overPrisma', 'PostgreSQL'],
  ['overPg', 'PostgreSQL'],
  ['overPostgresJs', 'PostgreSQL'],
  ['overKnex', 'PostgreSQL'],
  ['overTypeorm', 'PostgreSQL'],
  ['overMikroOrm', 'PostgreSQL'],
  ['overMysql', 'MariaDB'],
  ['overBetterSqlite', 'SQLite'],
  ['overPGlite', 'PGlite'],
]

const URLS: Readonly<Record<DatabaseName, string | undefined>> = { SQLite: '', PGlite: '', PostgreSQL: postgres, MariaDB: mariadb }
const sorted = (numbers: readonly number[]): readonly number[] => numbers.toSorted((a, b) => a - b)
const SLOW = { timeout: 20_000 }

describe.each(EXAMPLES)('the page of %s', (page, database) => {
  describe.skipIf(!pages || URLS[database] === undefined)('', () => {
    let db: Outside
    let example: Example
    let seen: number[]
    beforeAll(async () => {
      vi.stubEnv('MESSAGING_BROKER', 'memory') // the pages leave it to the environment
      const { fresh, shared } = await import('./databases.ts')
      db = await fresh(database, URLS[database] ?? '', page.toLowerCase())
      const open = pages?.[page] as (at: unknown) => Promise<Example> // one of them takes a PGlite
      example = await open(database === 'PGlite' ? await shared() : db.at)
      seen = []
      const { messaging } = example
      messaging.on(events?.OrderPlaced as never, { group: 'reader', session: false, inbox: false }, ({ data }) => {
        seen.push((data as { id: number }).id)
      })
      await messaging.start()
    })
    afterAll(async () => {
      await example?.messaging.close()
      await example?.close()
      await db?.close()
      vi.unstubAllEnvs()
    })
    const checkedOut = (id: number, messageId: string) =>
      example.messaging.publishEvent(events?.CartCheckedOut as never, { id } as never, { id: messageId })

    test('publishes what was committed: by a handler, in a session, in a transaction of its own', async () => {
      await checkedOut(1, 'cart 1')
      await example.place(2)
      await example.placeInMine(3)
      await expect.poll(() => sorted(seen), SLOW).toEqual([1, 2, 3])
      expect(await db.ids('orders')).toEqual([1, 2, 3])
    })

    test('publishes nothing of what was rolled back: orders that are there already', async () => {
      const { messaging } = example
      await expect(example.place(2)).rejects.toThrow()
      await expect(example.placeInMine(3)).rejects.toThrow()
      await checkedOut(1, 'another cart with order 1')
      await expect.poll(() => messaging.counters.retried, SLOW).toBeGreaterThan(0)
      await example.place(4)
      await expect.poll(() => seen, SLOW).toContain(4)
      expect(await outboxStore(example.database).status()).toMatchObject({ waiting: 0, delayed: 0, dead: 0 })
      expect(sorted(seen)).toEqual([1, 2, 3, 4])
      expect(await db.ids('orders')).toEqual([1, 2, 3, 4])
    })

    test('handles a message once that comes twice', async () => {
      const outcomes: string[] = []
      const listen = (told: unknown): void => {
        const { id, outcome } = told as HandleRecord
        if (id === 'cart 5') outcomes.push(outcome)
      }
      subscribe(CHANNEL.handle, listen)
      onTestFinished(() => void unsubscribe(CHANNEL.handle, listen))
      await checkedOut(5, 'cart 5')
      await checkedOut(5, 'cart 5')
      await expect.poll(() => outcomes.toSorted(), SLOW).toEqual(['duplicate', 'ok'])
      await expect.poll(() => sorted(seen), SLOW).toEqual([1, 2, 3, 4, 5])
    })
  })
})
