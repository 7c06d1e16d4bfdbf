// A consumer of the chaos run: each message has one effect, the next of its key.
import { subscribe } from 'node:diagnostics_channel'
import { CHANNEL, type DeliverRecord, fixed, type HandleRecord, type SettleRecord, type StateRecord } from '@corebus/core'
import { randomOf } from '@corebus/core/testing/conformance/process'
import { adapt, sqlInbox } from '@corebus/sql'
import { instance, moved } from './instance.ts'
import { LIBRARIES } from './library.ts'
import { giveUp, obey, orders, pause, reach, say } from './protocol.ts'
import { add } from './tables.ts'

const CONCURRENCY = 5
/** Far more than one that fails by itself, or while the database is away, ever needs. */
const MAX_RETRIES = 500
const RETRY_MS = 200
const HANDLER_TIMEOUT_MS = 1_000
const OVERDUE_BY_MS = 200

const told = orders()
const { database, databaseUrl, mix, name, ordered } = told
const random = randomOf(told.seed)
const below = (n: number) => Math.floor(random() * n)
const library = LIBRARIES[database](databaseUrl)
const messaging = instance(told, 'consumer', { session: library.sessions, inbox: sqlInbox() })

// What these channels carry is ours; their type in Node is unknown.
subscribe(CHANNEL.deliver, (record) => say({ kind: 'delivered', id: (record as DeliverRecord).id }))
subscribe(CHANNEL.handle, (record) => {
  const { id, outcome, error } = record as HandleRecord
  say({ kind: 'dispatched', id, how: error ? `${outcome}: ${error.message.slice(0, 200)}` : outcome })
  reach('dispatched')
})
subscribe(CHANNEL.settle, (record) => {
  const { id, settlement } = record as SettleRecord
  say({ kind: 'settled', id, how: settlement })
})
subscribe(CHANNEL.state, (record) => {
  const { state, error } = record as StateRecord
  say({ kind: 'state', how: error ? `${state}: ${error.message.slice(0, 200)}` : state })
})

messaging.on(
  moved(told),
  {
    group: 'effects',
    concurrency: CONCURRENCY,
    handlerTimeoutMs: HANDLER_TIMEOUT_MS,
    ordering: ordered ? 'key' : 'none',
    maxRetries: MAX_RETRIES,
    backoff: fixed(RETRY_MS),
  },
  async ({ data: { token, key, n } }, { db, id, signal }) => {
    const tx = adapt(db, { begun: true })
    const fails = below(100) < mix.failing
    const isOverdue = below(1_000) < mix.overdue
    const effect = async () => {
      const seq = await add(tx, 'views', key, 1)
      await tx.query('INSERT INTO effects (k, seq, n, token, who) VALUES (?, ?, ?, ?, ?)', [key, seq, n, token, name])
    }
    await effect()
    reach('written')
    if (mix.handlerMs > 0) await pause(below(mix.handlerMs))
    if (isOverdue) {
      // While a process stands still its handlers are not late, so it is the signal that is waited for.
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      await pause(OVERDUE_BY_MS)
      await effect()
    }
    if (fails) throw new Error('no, and its effect is to be rolled back')
    say({ kind: 'handled', id, move: { token, key, n } })
    reach('returned')
  },
)

let closing = false
obey(async () => {
  closing = true
  await messaging.close()
  await library.close()
})

try {
  // As `core consumer` does: whoever supervises it starts it again.
  await messaging.start({ onStuck: (what) => giveUp(Object.assign(new Error(what), { code: 'STUCK' })) })
  say({ kind: 'ready' })
} catch (error) {
  // It may be told to close before it has started.
  if (!closing) giveUp(error)
}
