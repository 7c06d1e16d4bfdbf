import type { Errand, Note } from '../protocol.ts'

/** What happened in a chaos run, as its processes said it: nothing here is concluded yet. */
export interface History {
  readonly lives: readonly Life[]
  readonly faults: readonly Fault[]
  readonly letters: readonly Letter[]
  /** Messages that still waited to be handed out when everything else was done. */
  readonly left: number
  /** What this broker leaves in doubt. */
  readonly doubts: Doubts
}

/** One process, from its start to its end. */
export interface Life {
  readonly name: string
  readonly role: 'producer' | 'member'
  readonly notes: readonly Note[]
  /** Killed with -9, closed as it was told, or ended in another way. Undefined for one that never did. */
  readonly end: { readonly at: number; readonly how: 'killed' | 'closed' | 'failed'; readonly trouble: string } | undefined
}

export interface Fault {
  readonly kind: FaultKind
  readonly at: number
  readonly until: number
  /** The process it happened to; everybody's when there is none. */
  readonly life?: string
}

export type FaultKind =
  | 'killMember'
  | 'killProducer'
  | 'stopMember'
  | 'stopMemberLong'
  /** One more member comes, and some time later one goes, as it is told. */
  | 'comeAndGo'
  | 'restart'
  | 'kill'
  | 'cut'
  | 'freeze'
  | 'refuse'

export interface Letter {
  readonly id: string
  readonly reason: string | undefined
  readonly attempt: number
}

export interface Doubts {
  /** A settlement that was sent, and not answered, so shortly before its connection was lost may not count. */
  readonly unheardMs: number
  /** Here a member keeps what it has over a lost connection; what it loses it loses with this error. */
  readonly losesWith: string | undefined
  /** Settlements are answered: one that has settled counts, whatever goes wrong then. */
  readonly answersSettlements: boolean
  /** What was sent to a member before it was frozen reaches it when it wakes up, also when it was given up meanwhile. */
  readonly sendsAhead: boolean
  /** A retry that is due is brought back by one of the members, not by the broker: who is lost over that may do it once too often. */
  readonly membersBringBack: boolean
  /** So long after a broker has come back others may still give up to it what was its own, and send their clients there. */
  readonly movesForMs: number
  /** A connection on which nothing passes is given up after this, and not before. */
  readonly silenceMs: number
}

/** What each message asked for, by id. */
export function errandsIn(lives: readonly Life[]): ReadonlyMap<string, Errand> {
  const errands = new Map<string, Errand>()
  for (const { notes } of lives)
    for (const note of notes) if (note.what === 'sending') for (const { id, errand } of note.messages) errands.set(id, errand)
  return errands
}

/** Whether it ends a connection of this process. Being silent for a while does not, until somebody gives up. */
export function breaks(fault: Fault, life: string, { silenceMs }: Doubts): boolean {
  if (fault.life !== undefined && fault.life !== life) return false
  switch (fault.kind) {
    case 'restart':
    case 'kill':
    case 'cut':
    case 'refuse':
      return true
    case 'freeze':
    case 'stopMember':
    case 'stopMemberLong':
      return fault.until - fault.at >= silenceMs
    case 'killMember':
    case 'killProducer':
    case 'comeAndGo':
      return false
  }
}

export function overlap(fault: Fault, from: number, to: number): boolean {
  return fault.at <= to && fault.until >= from
}

/** Everything that was said of one message, for whoever looks into a finding. */
export function storyOf(id: string, { lives, faults }: History): readonly string[] {
  const lines: [at: number, text: string][] = []
  for (const { name, notes, end } of lives) {
    let mine = false
    for (const note of notes) {
      const ids = note.what === 'sending' ? note.messages.map((one) => one.id) : 'ids' in note ? note.ids : 'id' in note ? [note.id] : []
      if (!ids.includes(id)) {
        if (mine && note.what === 'state') lines.push([note.at, `${name} ${note.of} ${note.state}`])
        continue
      }
      mine = true
      const { at: _, what, ...rest } = note
      const more = what === 'sending' ? note.messages.find((one) => one.id === id)?.errand : 'ids' in rest ? {} : { ...rest, id: undefined }
      lines.push([note.at, `${name} ${what} ${JSON.stringify(more)}`])
    }
    if (mine && end) lines.push([end.at, `${name} ${end.how}`])
  }
  const [first = 0, last = 0] = [Math.min(...lines.map(([at]) => at)), Math.max(...lines.map(([at]) => at))]
  for (const fault of faults)
    if (overlap(fault, first - 1_000, last + 1_000))
      lines.push([fault.at, `fault: ${fault.kind} ${fault.life ?? ''} for ${Math.round(fault.until - fault.at)} ms`])
  return lines.sort(([a], [b]) => a - b).map(([at, text]) => `${((at - first) / 1_000).toFixed(3)} ${text}`)
}

const BEFORE_MS = 40_000

/** How a process was connected before this moment, and what went wrong meanwhile. */
export function statesOf({ name, notes }: Life, { faults }: History, until: number): readonly string[] {
  const lines: [at: number, text: string][] = []
  for (const note of notes) if (note.what === 'state') lines.push([note.at, `${name} ${note.of} ${note.state} ${note.why ?? ''}`])
  for (const fault of faults)
    lines.push([fault.at, `fault: ${fault.kind} ${fault.life ?? ''} for ${Math.round(fault.until - fault.at)} ms`])
  return lines
    .filter(([at]) => at > until - BEFORE_MS && at <= until + 1)
    .sort(([a], [b]) => a - b)
    .map(([at, text]) => `${((at - until) / 1_000).toFixed(3)} ${text}`)
}

/** How many of each kind are in the deck. */
export type Deck = Readonly<Partial<Record<FaultKind, number>>>
