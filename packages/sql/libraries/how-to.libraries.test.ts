import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { DatabaseName } from './cases/case.ts'
import type { Outside } from './databases.ts'

const { postgres, mariadb } = inject('servers')
const pages = inject('librariesInstalled') ? await import('./how-to/sessions.ts') : undefined
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

describe.each(EXAMPLES)('the page of %s', (page, database) => {
  describe.skipIf(!pages || URLS[database] === undefined)('', () => {
    let db: Outside
    beforeAll(async () => {
      db = await (await import('./databases.ts')).outside(database, URLS[database] ?? '')
    })
    afterAll(() => db?.close())

    test('a handler writes with what it receives, and its row is there when the message is handled', async () => {
      const { shared } = await import('./databases.ts')
      const open = pages?.[page] as (at: unknown) => ReturnType<Pages['overPg']> // one of them takes a PGlite
      const { messaging, close } = await open(database === 'PGlite' ? await shared() : db.at)
      await messaging.start()
      await messaging.getProducer().send('orders', { id: 7 })
      await expect.poll(() => messaging.counters.handled, { timeout: 20_000 }).toBe(1)
      await messaging.close()
      await close()
      expect(await db.ids('orders')).toEqual([7])
    })
  })
})
