import { type FaultKind, type History, type Life, storyOf } from './history.ts'
import type { Move } from './protocol.ts'

export interface Finding {
  readonly kind: /** Its session has committed, and it has no effect, or the broker never had it. */
    | 'lost'
    /** It has more than one effect. */
    | 'twice'
    /** Its session was rolled back, and it has an effect, or was published. */
    | 'rolledBack'
    /** Its effect came after that of a later event of its key. */
    | 'order'
    /** The broker was given it for the first time after a later one of its key. */
    | 'publishOrder'
    /** A relay had its confirm, and one published it again although nothing had gone wrong. */
    | 'again'
    /** It is in the dead letters or in the outbox's dead table. */
    | 'dead'
    /** It still lies in the outbox. */
    | 'left'
    /** A process ended by itself. */
    | 'died'
    /** A process that was told to end did not. */
    | 'stuck'
  readonly text: string
  /** Everything that was said of the event. */
  readonly story?: readonly string[]
}

export interface Ledger {
  readonly committed: number
  readonly rolledBack: number
  readonly effects: number
  /** How often the broker was given an event that it had been given before. */
  readonly copies: number
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  readonly findings: readonly Finding[]
}

/** Says what is wrong with what happened. */
export function judge(history: History): Ledger {
  const { lives, faults, movements, effects, ordered, left, dead } = history
  const findings: Finding[] = []
  const find = (kind: Finding['kind'], { key, n, token }: Move, text: string): void => {
    findings.push({ kind, text: `${key} ${n}: ${text}`, story: storyOf(token, history) })
  }
  const committed = new Set(movements.map(({ token }) => token))
  const seen = sightings(lives)
  const done = Map.groupBy(effects, ({ token }) => token)

  for (const move of movements) {
    const times = done.get(move.token)?.length ?? 0
    if (times === 0) find('lost', move, 'committed, and without an effect')
    if (times > 1) find('twice', move, `has ${times} effects`)
    if (!seen.has(move.token)) find('lost', move, 'committed, and never published')
  }
  for (const [token, [first]] of done)
    if (first && !committed.has(token)) find('rolledBack', first, 'has an effect, and its session was rolled back')
  for (const [token, [first]] of seen)
    if (first && !committed.has(token)) find('rolledBack', first.move, 'was published, and its session was rolled back')

  const inOrder = [...done.values()].flatMap(([first]) => (first ? [first] : [])).sort((a, b) => a.seq - b.seq)
  if (ordered) for (const move of breaksIn(inOrder)) find('order', move, 'has its effect after that of a later one')
  const published = [...seen.values()].flatMap(([first]) => (first ? [first] : [])).sort((a, b) => a.at - b.at)
  for (const move of breaksIn(published.map(({ move }) => move))) find('publishOrder', move, 'was published after a later one')
  let copies = 0
  for (const sights of seen.values()) copies += sights.length - 1
  for (const move of unexplained(history)) find('again', move, 'was published again, and nothing had gone wrong')

  findings.push(...endsOf(history))
  if (left > 0) findings.push({ kind: 'left', text: `${left} rows still lie in the outbox` })
  if (dead > 0) findings.push({ kind: 'dead', text: `${dead} events are dead letters` })
  const rolledBack = lives.flatMap(({ said }) => said).reduce((sum, one) => sum + (one.kind === 'rolledBack' ? one.tokens.length : 0), 0)
  const counts = [...Map.groupBy(faults, ({ kind }) => kind)].map(([kind, all]) => [kind, all.length])
  return { committed: committed.size, rolledBack, effects: effects.length, copies, faults: Object.fromEntries(counts), findings }
}

interface Sighting {
  readonly at: number
  readonly move: Move
}

/** What the recorder has seen of each event, in the order in which the broker was given it. */
function sightings(lives: readonly Life[]): ReadonlyMap<string, readonly Sighting[]> {
  const all = lives
    .flatMap(({ role, said }) => (role === 'recorder' ? said : []))
    .flatMap((one) => (one.kind === 'seen' && one.move ? [{ at: one.at, move: one.move }] : []))
  return Map.groupBy(all, ({ move }) => move.token)
}

/** Those that come after a later one of their key. */
function breaksIn(moves: readonly Move[]): readonly Move[] {
  const last = new Map<string, number>()
  return moves.filter(({ key, n }) => {
    const before = last.get(key) ?? 0
    last.set(key, Math.max(before, n))
    return n < before
  })
}

/** A relay that is killed, or that loses database or broker, publishes again: it gives up a publish after 10 s. */
const TROUBLE_MS = 15_000
/** What happens to these makes nobody publish again. */
const HARMLESS: readonly FaultKind[] = ['killProducer', 'killConsumer', 'stopProducer', 'stopConsumer', 'stopConsumerLong']

/** What was confirmed to relays twice, with no trouble of theirs around the first time or between the two. */
function unexplained({ lives, faults, movements }: History): readonly Move[] {
  const moves = new Map(movements.map((move) => [move.token, move]))
  const tokens = new Map<string, string>(
    lives.flatMap(({ said }) => said.flatMap((one) => (one.kind === 'seen' && one.move ? [[one.id, one.move.token] as const] : []))),
  )
  const confirms = lives
    .flatMap(({ said }) => said.flatMap((one) => (one.kind === 'published' ? [one] : [])))
    .sort((one, other) => one.at - other.at)
  const troubles = faults.filter(({ kind }) => !HARMLESS.includes(kind))
  return [...Map.groupBy(confirms, ({ id }) => id)].flatMap(([id, times]) => {
    const isExplained = (from: number, to: number) => troubles.some(({ at, until }) => at < to && until > from - TROUBLE_MS)
    const again = times.filter(({ at }, i) => i > 0 && !isExplained(times[i - 1]?.at ?? at, at))
    const move = moves.get(tokens.get(id) ?? '')
    return move ? again.map(() => move) : []
  })
}

/** A service that starts while there is no broker or database gives up after a while, and is started again: that is how it should be. */
const GIVES_UP_AFTER_MS = 15_000
const AWAY: readonly FaultKind[] = ['cutDatabase', 'freezeDatabase', 'killDatabase', 'cutBroker', 'freezeBroker', 'killBroker']

function endsOf({ lives, faults }: History): readonly Finding[] {
  return lives.flatMap(({ name, end, said }): readonly Finding[] => {
    if (!end)
      return [{ kind: 'stuck', text: `${name} was told to close and did not`, story: said.slice(-10).map((one) => JSON.stringify(one)) }]
    const gaveUp = said.find((one) => one.kind === 'gaveUp')
    const away = faults.some(({ kind, at, until }) => AWAY.includes(kind) && at < end.at && end.at < until + GIVES_UP_AFTER_MS)
    // A handler that waited too long for its turn on a file that others write to: its process is started again.
    const isStuck = gaveUp?.kind === 'gaveUp' && gaveUp.code === 'STUCK'
    if (end.how !== 'failed' || isStuck || (gaveUp && away && !said.some(({ kind }) => kind === 'ready'))) return []
    return [{ kind: 'died', text: `${name} ended by itself: ${gaveUp?.kind === 'gaveUp' ? `${gaveUp.code} ${gaveUp.text}` : end.trouble}` }]
  })
}

export interface DescribedOptions {
  readonly mostFindings?: number
  readonly stories?: boolean
}

/** On one line, and then the first findings, each with the story of its event. */
export function described(ledger: Ledger, { mostFindings = 5, stories = true }: DescribedOptions = {}): string {
  const { committed, rolledBack, effects, copies, faults, findings } = ledger
  const did = Object.entries(faults).map(([kind, times]) => `${kind} ${times}`)
  const counts = `${committed} committed, ${rolledBack} rolled back, ${effects} effects, ${copies} published again`
  const lines = [
    `${counts}; faults: ${did.join(', ') || 'none'}; ${summary(findings)}`,
    ...findings
      .slice(0, mostFindings)
      .flatMap(({ kind, text, story = [] }) => [`  ${kind}: ${text}`, ...(stories ? story : []).map((line) => `    ${line}`)]),
  ]
  if (findings.length > mostFindings) lines.push(`  and ${findings.length - mostFindings} more`)
  return lines.join('\n')
}

/** How many of each kind: the kinds that the run is there for are named also when there are none. */
export function summary(findings: readonly Finding[]): string {
  const count = (...kinds: Finding['kind'][]) => findings.filter(({ kind }) => kinds.includes(kind)).length
  const main = `${count('lost')} lost, ${count('twice')} twice, ${count('rolledBack')} rolled back and seen, ${count('order', 'publishOrder')} out of order`
  const others = [...Map.groupBy(findings, ({ kind }) => kind)].filter(([kind]) => !MAIN.includes(kind))
  return [main, ...others.map(([kind, all]) => `${kind} ${all.length}`)].join(', ')
}

const MAIN: readonly Finding['kind'][] = ['lost', 'twice', 'rolledBack', 'order', 'publishOrder']
