import type { Mix, Moment, Move, Role, Said } from './protocol.ts'

export type FaultKind =
  | 'killProducer'
  | 'killRelay'
  | 'killConsumer'
  | 'stopProducer'
  | 'stopRelay'
  | 'stopConsumer'
  /** So long that others take over what it had. */
  | 'stopRelayLong'
  | 'stopConsumerLong'
  | 'cutDatabase'
  | 'freezeDatabase'
  | 'killDatabase'
  | 'cutBroker'
  | 'freezeBroker'
  | 'killBroker'

export interface Fault {
  readonly kind: FaultKind
  readonly at: number
  readonly until: number
  /** The process that it happened to. */
  readonly life?: string
}

/** A process, from its start to its end. */
export interface Life {
  readonly name: string
  readonly role: Role
  readonly said: readonly Said[]
  readonly end: { readonly at: number; readonly how: 'killed' | 'closed' | 'failed'; readonly trouble: string } | undefined
}

/** A row of `effects`: `seq` is its place among those of its key, in the order of the commits. */
export interface Effect extends Move {
  readonly seq: number
}

/** All that is known of a run when it is over. */
export interface History {
  readonly lives: readonly Life[]
  readonly faults: readonly Fault[]
  /** Committed business rows. */
  readonly movements: readonly Move[]
  readonly effects: readonly Effect[]
  /** Whether the consumers kept the order of a key across processes. */
  readonly ordered: boolean
  /** Rows that nobody relayed, rows in the outbox's dead table, and dead letters on the broker. */
  readonly left: number
  readonly dead: number
}

export interface ChaosOptions {
  /** The same seed, the same faults in the same order; not the same interleaving. */
  readonly seed: number
  /** So long things go wrong; then until everything in the deck has, and so many sessions have committed. */
  readonly forMs: number
  readonly leastCommitted: number
  /** Nothing has happened for so long when the faults are over: nothing will, and what is not there is lost. */
  readonly hopelessMs: number
  /** Shuffled and dealt, over and over. What a place cannot have is left out. */
  readonly deck: Readonly<Partial<Record<FaultKind, number>>>
  readonly mix: Mix
  /** Where a process is killed: one of these of its role, and some turns of the event loop later. */
  readonly moments: Readonly<Record<'producer' | 'relay' | 'consumer', readonly Moment[]>>
}

/** Everything that was said of one event, in order of time. */
export function storyOf(token: string, { lives, effects, faults }: History): readonly string[] {
  const all = lives.flatMap(({ name, said }) => said.map((one) => ({ name, one })))
  const ids = new Set(all.flatMap(({ one }) => ('move' in one && one.move?.token === token && 'id' in one ? [one.id] : [])))
  const text = (name: string, one: Said) => `${name} ${one.kind}${'how' in one ? ` ${one.how}` : ''}`
  const of = ({ one }: { one: Said }) => ('tokens' in one ? one.tokens.includes(token) : 'id' in one && ids.has(one.id))
  const lines = all.filter(of).map(({ name, one }) => ({ at: one.at, text: text(name, one) }))
  const [from = 0, to = 0] = [Math.min(...lines.map(({ at }) => at)), Math.max(...lines.map(({ at }) => at))]
  for (const { kind, life, at, until } of faults)
    if (until > from - AROUND_MS && at < to + AROUND_MS)
      lines.push({ at, text: `fault ${kind}${life === undefined ? '' : ` of ${life}`} for ${Math.round(until - at)} ms` })
  const rows = effects.filter((effect) => effect.token === token).map(({ key, seq, n }) => `row: ${key} seq ${seq}, n ${n}`)
  return [...lines.sort((a, b) => a.at - b.at).map(({ at, text }) => `${Math.round(at)} ${text}`), ...rows]
}

const AROUND_MS = 1_000
