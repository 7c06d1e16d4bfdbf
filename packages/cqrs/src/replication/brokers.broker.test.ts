import { DatabaseSync } from 'node:sqlite'
import { createMessaging, type Driver, fixed, replayDeadLetters } from '@corebus/core'
import { migrate, sqliteSession, sqlOutbox } from '@corebus/sql'
import { startKafka, startRabbitmq, startRedis } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { MIRROR, mirror, PRODUTOS, produto } from '../fixtures/catalog.ts'
import { diff } from './diff.ts'
import { replication } from './replication.ts'
import { sync } from './sync.ts'
import { workingsOf } from './workings.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })
const WAIT = { timeout: 60_000, interval: 100 }
const SEVEN_DAYS_MS = 604_800_000

const [rabbitmq, kafka, redis] = await Promise.all([startRabbitmq(), startKafka(), startRedis()])
const brokers = [
  ['rabbitmq', rabbitmq?.url],
  ['kafka', kafka?.url],
  ['redis', redis?.url],
] as const
afterAll(async () => void (await Promise.all([rabbitmq?.stop(), kafka?.stop(), redis?.stop()])))

/** A service with a database of its own. */
async function service(broker: 'rabbitmq' | 'kafka' | 'redis', url: string, name: string, ddl: string) {
  const database = new DatabaseSync(':memory:')
  database.exec(ddl)
  const session = sqliteSession(database)
  const outbox = sqlOutbox({ pollMs: 100 })
  const messaging = createMessaging<{ db: DatabaseSync }>({ broker, url, service: name, env: {}, session, outbox, logLevel: 'silent' })
  await migrate(session, [outbox])
  onTestFinished(async () => {
    await messaging.close()
    database.close()
  })
  return { database, messaging }
}

describe.each(brokers)('on %s', (broker, url) => {
  test.skipIf(!url)(
    'a master feeds a replica of another service; what that could not hold lies in its dead letters, and comes in when they are replayed',
    async () => {
      const topic = `produto-${process.pid}`
      const products = await service(broker, url!, `products-${process.pid}`, PRODUTOS)
      // The mirror refuses a name, until somebody widens the column.
      const feed = await service(
        broker,
        url!,
        `feed-${process.pid}`,
        MIRROR.replace('nome TEXT NOT NULL', "nome TEXT NOT NULL CHECK (nome <> 'too long')"),
      )
      const group = `feed_replica-${process.pid}`
      const deadLetter = { name: `dead_letter_${group}`, ttlMs: SEVEN_DAYS_MS }
      const Produto = produto({ topic })
      const following = mirror({
        topic,
        group,
        deadLetter,
        maxRetries: 1,
        backoff: fixed(100),
        retryIf: (error) => !/CHECK/.test(error.message),
      })
      const { track, migrate: migrateOurs } = replication(products.messaging, [Produto])
      const mirrored = replication(feed.messaging, [following])
      await Promise.all([migrateOurs(), mirrored.migrate()])
      await feed.messaging.start()
      const write = (sku: number, sql: string) => products.messaging.session((db) => track(db, Produto, sku, () => db.exec(sql)))
      // A table that was there before, a change, a delete, and a row that is refused.
      products.database.exec("INSERT INTO produtos (sku, nome, preco) VALUES (1, 'a', 1), (2, 'b', 2)")
      await sync(workingsOf(products.messaging)[0]!.masters[0]!)
      await write(3, "INSERT INTO produtos (sku, nome, preco) VALUES (3, 'too long', 3)")
      await write(1, 'UPDATE produtos SET preco = 3500 WHERE sku = 1')
      await write(2, 'DELETE FROM produtos WHERE sku = 2')
      const rows = () => feed.database.prepare('SELECT sku, preco, cqrs_revision AS rev FROM produto_mirror ORDER BY sku').all()
      await vi.waitFor(() => expect(rows()).toEqual([{ sku: 1, preco: 3500, rev: 2 }]), WAIT)
      const { admin }: Driver = await feed.messaging.driver()
      await vi.waitFor(async () => expect((await admin.depth(topic, group)).dead).toBe(1), WAIT)
      feed.database.exec(
        `ALTER TABLE produto_mirror RENAME TO narrow; ${MIRROR}; INSERT INTO produto_mirror SELECT * FROM narrow; DROP TABLE narrow`,
      )
      expect(await replayDeadLetters(admin, { topic, group })).toBe(1)
      const wanted = [
        { sku: 1, preco: 3500, rev: 2 },
        { sku: 3, preco: 3, rev: 1 },
      ]
      await vi.waitFor(() => expect(rows()).toEqual(wanted), WAIT)
      const [from, to] = [workingsOf(products.messaging)[0]!.masters[0]!, workingsOf(feed.messaging)[0]!.replicas[0]!]
      expect(await diff(from, to, { deep: true })).toEqual([])
    },
  )
})
