import { type Moment, monotonicMs } from '../protocol.ts'
import type { Room } from '../room.ts'
import { quiet } from '../wait.ts'
import type { Company, Slot } from './company.ts'
import type { Deck, Doubts, Fault, FaultKind } from './history.ts'

const SHORT_MS = 500
const AT_LEAST_MS = 100
const DIES_WITHIN_MS = 1_000
const MOST_TURNS = 8
const STAYS_MS = 1_000
const STAYS_LONGER_MS = 2_000
const ANY = 1_000
/** One that comes while there is no broker, and goes while there is none again, takes long. */
const GOES_WITHIN_MS = 180_000

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
    const awake = () => company.members.filter(({ frozen, leaving }) => !frozen && !leaving)
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
        // Somebody else goes on, and so does what goes wrong.
        await company.until(() => awake().length > 1)
        this.#background.push(this.#stop(kind, pick(leastFrozen(awake())), 3 * doubts.silenceMs))
        return
      case 'comeAndGo':
        await company.until(() => !company.isFull, GOES_WITHIN_MS)
        this.#background.push(this.#comeAndGo(STAYS_MS + below(STAYS_LONGER_MS), below(ANY)))
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

  #comeAndGo(afterMs: number, who: number): Promise<void> {
    const { company } = this.#faulty
    const done = this.#during('comeAndGo', undefined, async () => {
      const one = company.hire()
      await company.until(() => one.leaving || one.child.heard('ready').length > 0)
      await quiet(afterMs)
      const able = company.members.filter(({ topic, leaving }) => topic === one.topic && !leaving)
      await company.dismiss(able[who % able.length] as Slot)
    })
    done.catch(() => undefined) // told by `over`, which may be long after
    return done
  }

  #stop(kind: FaultKind, slot: Slot, forMs: number): Promise<void> {
    const { child, name } = slot
    return this.#during(kind, name, async () => {
      slot.frozen = true
      if (kind === 'stopMemberLong') slot.freezes++
      child.signal('SIGSTOP')
      await quiet(forMs)
      child.signal('SIGCONT')
      slot.frozen = false
    })
  }

  async #during(kind: FaultKind, life: string | undefined, work: () => Promise<void> | undefined): Promise<void> {
    const at = monotonicMs()
    await work()
    this.done.push({ kind, at, until: monotonicMs(), ...(life !== undefined && { life }) })
  }
}

function leastFrozen(slots: readonly Slot[]): readonly Slot[] {
  const least = Math.min(...slots.map(({ freezes }) => freezes))
  return slots.filter(({ freezes }) => freezes === least)
}

/** Those that this target can cause. */
export function deckOf(deck: Deck, { target }: Room, { silenceMs }: Doubts): readonly FaultKind[] {
  const can = (kind: FaultKind): boolean => {
    switch (kind) {
      case 'killMember':
      case 'killProducer':
      case 'stopMember':
      case 'comeAndGo':
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
