import type { Moment } from '../children/notes.ts'
import { monotonicMs } from '../children/protocol.ts'
import type { Room } from '../room.ts'
import { quiet } from '../wait.ts'
import type { Company, Slot } from './company.ts'
import type { Doubts, Fault, FaultKind } from './history.ts'

/** How many of each kind are in the deck. */
export type Deck = Readonly<Partial<Record<FaultKind, number>>>

const SHORT_MS = 500
const AT_LEAST_MS = 100
const DIES_WITHIN_MS = 1_000
const MOST_TURNS = 8

export interface Faulty {
  readonly room: Room
  readonly company: Company
  readonly doubts: Doubts
  readonly moments: readonly Moment[]
  readonly below: (n: number) => number
}

/** Makes things go wrong, and writes down what and when. */
export class Faults {
  readonly done: Fault[] = []
  caused = 0
  readonly #faulty: Faulty
  readonly #background: Promise<void>[] = []

  constructor(faulty: Faulty) {
    this.#faulty = faulty
  }

  async cause(kind: FaultKind): Promise<void> {
    this.caused++
    const { room, company, doubts, moments, below } = this.#faulty
    const pick = (slots: readonly Slot[]) => slots[below(slots.length)] as Slot
    switch (kind) {
      case 'killMember': {
        // In the middle of its work, at a moment of its own: or none of the steps of a settlement would ever be hit.
        const { child, name } = pick(company.members)
        return this.#during(kind, name, async () => {
          child.tell({ do: 'die', when: moments[below(moments.length)] as Moment, turns: below(MOST_TURNS) })
          await Promise.race([child.exited, quiet(DIES_WITHIN_MS)])
          await child.kill()
        })
      }
      case 'killProducer': {
        const { child, name } = pick(company.producers)
        return this.#during(kind, name, child.kill)
      }
      case 'stopMember':
        return this.#stop(kind, pick(company.members), AT_LEAST_MS + below(SHORT_MS))
      case 'stopMemberLong':
        // The others go on, and so does what goes wrong.
        this.#background.push(this.#stop(kind, pick(company.members), 3 * doubts.silenceMs))
        return
      case 'freeze':
      case 'refuse':
        return this.#during(kind, undefined, () => room.target.faults?.[kind]?.(AT_LEAST_MS + below(SHORT_MS)))
      case 'cut':
      case 'restart':
      case 'kill':
        return this.#during(kind, undefined, () => room.target.faults?.[kind]?.())
    }
  }

  async over(): Promise<void> {
    await Promise.all(this.#background)
  }

  #stop(kind: FaultKind, { child, name }: Slot, forMs: number): Promise<void> {
    return this.#during(kind, name, async () => {
      child.signal('SIGSTOP')
      await quiet(forMs)
      child.signal('SIGCONT')
    })
  }

  async #during(kind: FaultKind, life: string | undefined, work: () => Promise<void> | undefined): Promise<void> {
    const at = monotonicMs()
    await work()
    this.done.push({ kind, at, until: monotonicMs(), ...(life !== undefined && { life }) })
  }
}

/** Those that this target can cause. */
export function deckOf(deck: Deck, { target }: Room, { silenceMs }: Doubts): readonly FaultKind[] {
  const can = (kind: FaultKind): boolean => {
    switch (kind) {
      case 'killMember':
      case 'killProducer':
      case 'stopMember':
        return true
      case 'stopMemberLong':
        return Number.isFinite(silenceMs)
      default:
        return target.faults?.[kind] !== undefined
    }
  }
  // The keys are FaultKinds by their type; Object.entries forgets that.
  const entries = Object.entries(deck) as [FaultKind, number][]
  return entries.flatMap(([kind, times]) => (can(kind) ? Array.from({ length: times }, () => kind) : []))
}

export function shuffled<T>(some: readonly T[], below: (n: number) => number): T[] {
  const left = [...some]
  const all: T[] = []
  while (left.length > 0) all.push(...left.splice(below(left.length), 1))
  return all
}
