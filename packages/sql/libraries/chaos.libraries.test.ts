import { afterAll, describe, expect, inject, type TestContext, test } from 'vitest'
import type { ChaosOptions } from './chaos/history.ts'
import type { Servers } from './chaos/soak.ts'

const installed = inject('librariesInstalled')
const hasPostgres = inject('servers').postgres !== undefined

/** Each kind of fault once, but for those that take long; `npm run soak -- sql-chaos` has them all, on each database with each broker. */
const SHORT: Partial<ChaosOptions> = {
  forMs: 10_000,
  leastCommitted: 150,
  deck: {
    killConsumer: 3,
    killRelay: 3,
    killProducer: 2,
    stopConsumer: 1,
    stopRelay: 1,
    cutDatabase: 1,
    freezeDatabase: 1,
    killDatabase: 1,
    cutBroker: 1,
    freezeBroker: 1,
    killBroker: 1,
  },
}
/** One that a failure can be repeated with. */
const PUSH_SEED = 11

describe.skipIf(!installed)(
  'chaos for 10 s loses nothing, does nothing twice, shows nothing that was rolled back, and keeps the order of a key',
  () => {
    let servers: Servers | undefined
    afterAll(() => servers?.close())

    async function comesOutWell({ skip }: TestContext, database: 'sqlite' | 'postgres', broker: 'sqlite' | 'rabbitmq'): Promise<void> {
      const soak = await import('./chaos/soak.ts')
      servers ??= new soak.Servers()
      const run = await soak.ran({ servers, database, broker, options: { ...SHORT, seed: PUSH_SEED } })
      if (!run) return skip(`no ${broker} here`)
      expect(soak.whyBad(run), `seed ${PUSH_SEED}`).toBeUndefined()
    }

    test('on SQLite, with SQLite as the broker', (context) => comesOutWell(context, 'sqlite', 'sqlite'), 240_000)
    test.skipIf(!hasPostgres)('on PostgreSQL, with RabbitMQ', (context) => comesOutWell(context, 'postgres', 'rabbitmq'), 240_000)
  },
)

test.skipIf(!installed)(
  'where relays claim nothing, the same run goes wrong, and says so',
  async () => {
    const soak = await import('./chaos/soak.ts')
    const { MUTATIONS } = await import('./chaos/mutation.ts')
    const mutation = MUTATIONS.find(({ name }) => name === 'relays claim nothing')
    if (!mutation) throw new Error('there is no such mutation')
    const servers = new soak.Servers()
    try {
      const options = { ...mutation.chaos, forMs: 2_000, leastCommitted: 150, deck: {}, seed: PUSH_SEED }
      const run = await soak.ran({ servers, database: 'sqlite', broker: 'sqlite', options, mutation })
      if (!run) throw new Error('SQLite is everywhere')
      expect(soak.whyUnproved(run, mutation)).toBeUndefined()
    } finally {
      await servers.close()
    }
  },
  240_000,
)
