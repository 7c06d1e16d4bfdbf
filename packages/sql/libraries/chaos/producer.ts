// A producer of the chaos run. Each of its sessions moves one account on: a business row and an event, or neither.
import { randomUUID } from 'node:crypto'
import { randomOf } from '@corebus/core/testing/conformance/process'
import { adapt, sqlOutbox } from '@corebus/sql'
import { instance, moved } from './instance.ts'
import { LIBRARIES } from './library.ts'
import { giveUp, type Move, obey, orders, pause, reach, say } from './protocol.ts'
import { add } from './tables.ts'

const MOST_AT_ONCE = 4
const BY_HAND = 20
const SEVERAL = 20
/** The database is away: a service would answer 503. */
const AGAIN_MS = 100

const told = orders()
const { database, databaseUrl, mix } = told
const random = randomOf(told.seed)
const below = (n: number) => Math.floor(random() * n)
const Moved = moved(told)
const library = LIBRARIES[database](databaseUrl)
const messaging = instance(told, 'producer', { session: library.sessions, outbox: sqlOutbox({ relay: false }) })
let closing = false

interface Plan {
  readonly key: string
  readonly tokens: readonly string[]
  readonly byHand: boolean
  readonly holdsMs: number
  readonly throws: boolean
}

function plan(): Plan {
  const key = `k${below(mix.keys)}`
  const tokens = Array.from({ length: below(100) < SEVERAL ? 1 + below(MOST_AT_ONCE) : 1 }, () => randomUUID())
  const byHand = below(100) < BY_HAND
  const dice = below(100)
  if (dice < mix.hanging) return { key, tokens, byHand, holdsMs: mix.hangingMs, throws: true }
  const throws = below(100) < mix.throwing
  return { key, tokens, byHand, holdsMs: dice < mix.hanging + mix.slow ? below(mix.slowMs) : 0, throws }
}

class RolledBack extends Error {}

async function work({ key, tokens, holdsMs, throws }: Plan, db: object, publish: (move: Move) => unknown): Promise<void> {
  const tx = adapt(db, { begun: true })
  const last = await add(tx, 'accounts', key, tokens.length)
  for (const [i, token] of tokens.entries()) {
    const n = last - tokens.length + 1 + i
    await tx.query('INSERT INTO movements (token, k, n) VALUES (?, ?, ?)', [token, key, n])
    await publish({ token, key, n })
  }
  reach('emitted')
  if (holdsMs > 0) await pause(holdsMs)
  if (throws) throw new RolledBack()
}

async function session(planned: Plan): Promise<void> {
  const { tokens, byHand } = planned
  try {
    if (byHand) await library.transaction((tx) => work(planned, tx, (move) => messaging.publishEvent(Moved, move, { tx })))
    else await messaging.session((db) => work(planned, db as object, (move) => messaging.emit(Moved, move)))
    reach('committed')
    say({ kind: 'committed', tokens })
  } catch (thrown) {
    say({ kind: 'rolledBack', tokens })
    if (!(thrown instanceof RolledBack)) await pause(AGAIN_MS)
  }
}

async function sessions(): Promise<void> {
  while (!closing) {
    await session(plan())
    await pause(below(2 * mix.pauseMs))
  }
}

try {
  const all = Promise.all(Array.from({ length: mix.sessionsAtOnce }, sessions))
  obey(async () => {
    closing = true
    await all
    await messaging.close()
    await library.close()
  })
  say({ kind: 'ready' })
  await all
} catch (error) {
  giveUp(error)
}
