import { ALWAYS, MAX_RETRIES, PUBLISH_TIMEOUT_MS } from '../notes.ts'
import type { Errand } from '../protocol.ts'
import { allowancesOf, lossesOf } from './allowance.ts'
import { ownHandOuts } from './hand-outs.ts'
import { breaks, errandsIn, type FaultKind, type History, type Letter, type Life, overlap, statesOf, storyOf } from './history.ts'

/** What the ledger of a run adds up to. */
export interface Ledger {
  readonly published: number
  readonly confirmed: number
  readonly handled: number
  readonly retries: number
  readonly deadLettered: number
  /** Completed handlings and dead letters beyond the first of each message. */
  readonly duplicates: number
  /** What was unsettled at each fault, summed up. */
  readonly allowed: number
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  readonly findings: readonly Finding[]
}

export interface Finding {
  readonly kind: /** Confirmed, and neither handled nor in the dead letters. */
    | 'lost'
    /** In the dead letters, and had neither failed all its attempts nor killed its process. */
    | 'wronglyDead'
    /** Handled once more than was unsettled at any fault. */
    | 'duplicate'
    /** A connection or channel was lost and nothing was done to it. */
    | 'closed'
    /** A process ended by itself. */
    | 'died'
    /** A process that was told to end and did not. */
    | 'stuck'
    /** Still waiting when everybody was done. */
    | 'left'
  readonly text: string
  /** Everything that was said of the message. */
  readonly story?: readonly string[]
}

const LAST_WORDS = 10
/** The default: members set no other. */
const CRASH_LIMIT = 5

/** Says what is wrong with what happened. */
export function judge(history: History): Ledger {
  const { lives, faults, letters } = history
  const errands = errandsIn(lives)
  const confirmed = new Set<string>()
  const done = new Map<string, number>()
  const threw = new Map<string, Set<number>>()
  let retries = 0
  for (const { notes } of lives)
    for (const note of notes) {
      if (note.what === 'confirmed') for (const id of note.ids) confirmed.add(id)
      else if (note.what === 'done') done.set(note.id, (done.get(note.id) ?? 0) + 1)
      else if (note.what === 'threw') threw.set(note.id, (threw.get(note.id) ?? new Set()).add(note.attempt))
      else if (note.what === 'settled' && note.how === 'retry') retries++
    }
  const dead = Map.groupBy(letters, ({ id }) => id)
  const findings: Finding[] = []
  const find = (kind: Finding['kind'], text: string, id: string) =>
    findings.push({ kind, text: `${id}: ${text}`, story: storyOf(id, history) })
  for (const id of confirmed) if (!done.has(id) && !dead.has(id)) find('lost', 'confirmed, and neither handled nor dead', id)

  const own = ownHandOuts(lives)
  for (const letter of letters) {
    const { id } = letter
    const why = whyWrong(letter, errands.get(id), { threw: threw.get(id) ?? new Set(), handOuts: own.get(id) ?? 0 })
    if (why) find('wronglyDead', why, id)
  }

  const allowances = allowancesOf(history)
  let duplicates = 0
  for (const id of new Set([...done.keys(), ...dead.keys()])) {
    const more = (done.get(id) ?? 0) + (dead.get(id)?.length ?? 0) - 1
    const allowed = allowances.get(id) ?? 0
    duplicates += more
    if (more > allowed) find('duplicate', `ended ${more + 1} times, and ${allowed + 1} may be explained`, id)
  }

  for (const life of lives) {
    for (const { at, explained, why } of lossesOf(life, history))
      if (!explained)
        findings.push({
          kind: 'closed',
          text: `${life.name} lost its channel at ${Math.round(at)}, nothing was done to it: ${why}`,
          story: statesOf(life, history, at),
        })
    if (life.end?.how === 'failed' && !foundNoBroker(life, history))
      findings.push({ kind: 'died', text: `${life.name} ended by itself: ${life.end.trouble}` })
  }
  for (const { name, end, notes } of lives)
    if (!end)
      findings.push({
        kind: 'stuck',
        text: `${name} was told to close and did not`,
        story: notes.slice(-LAST_WORDS).map((note) => JSON.stringify(note)),
      })
  if (history.left > 0) findings.push({ kind: 'left', text: `${history.left} messages still wait in the queue` })

  return {
    published: errands.size,
    confirmed: confirmed.size,
    handled: done.size,
    retries,
    deadLettered: dead.size,
    duplicates,
    allowed: [...allowances.values()].reduce((sum, times) => sum + times, 0),
    faults: Object.fromEntries([...Map.groupBy(faults, ({ kind }) => kind)].map(([kind, all]) => [kind, all.length])),
    findings,
  }
}

const NO_BROKER = ['CONNECT', 'CONNECTION_LOST']

/** A service that starts while there is no broker gives up after a while, and is started again: that is how it should be. */
function foundNoBroker({ name, notes, end }: Life, { faults, doubts }: History): boolean {
  const startedAt = (end?.at ?? 0) - PUBLISH_TIMEOUT_MS
  return (
    notes.some((note) => note.what === 'gaveUp' && NO_BROKER.includes(note.code)) &&
    faults.some((fault) => breaks(fault, name, doubts) && overlap(fault, startedAt, end?.at ?? 0))
  )
}

interface Calls {
  readonly threw: ReadonlySet<number>
  /** That nothing could have spared it. */
  readonly handOuts: number
}

function whyWrong({ reason, attempt }: Letter, errand: Errand | undefined, { threw, handOuts }: Calls): string | undefined {
  if (!errand) return 'in the dead letters, and nobody published it'
  if (reason === 'crash') {
    if (errand.kills || handOuts >= CRASH_LIMIT) return undefined
    return `dead-lettered as a crash, and its handler killed nothing: ${handOuts} hand-outs could not be told from a crash`
  }
  if (reason !== 'failed') return `dead-lettered because of ${reason}`
  if (errand.fails !== ALWAYS) return 'dead-lettered, and would have succeeded'
  const calls = Array.from({ length: MAX_RETRIES + 1 }, (_, i) => i + 1)
  if (attempt !== calls.length || !calls.every((n) => threw.has(n)))
    return `dead-lettered at attempt ${attempt}, after the calls ${[...threw]}`
  return undefined
}

export interface DescribedOptions {
  readonly mostFindings?: number
  readonly stories?: boolean
}

/** On one line, and then the first findings, each with its message's story. */
export function described(ledger: Ledger, { mostFindings = 5, stories = true }: DescribedOptions = {}): string {
  const { published, confirmed, handled, retries, deadLettered, duplicates, allowed, faults, findings } = ledger
  const did = Object.entries(faults).map(([kind, times]) => `${kind} ${times}`)
  const counts = `${published} published, ${confirmed} confirmed, ${handled} handled, ${retries} retries, ${deadLettered} dead-lettered`
  const lines = [
    `${counts}; ${duplicates} handled again, at most ${allowed} may be; faults: ${did.join(', ') || 'none'}; ${summary(findings)}`,
    ...findings
      .slice(0, mostFindings)
      .flatMap(({ kind, text, story = [] }) => [`  ${kind}: ${text}`, ...(stories ? story : []).map((line) => `    ${line}`)]),
  ]
  if (findings.length > mostFindings) lines.push(`  and ${findings.length - mostFindings} more`)
  return lines.join('\n')
}

/** How many of each kind. */
export function summary(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'nothing wrong'
  return [...Map.groupBy(findings, ({ kind }) => kind)].map(([kind, all]) => `${kind} ${all.length}`).join(', ')
}
