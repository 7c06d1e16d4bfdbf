import type { Company, Slot } from './company.ts'
import type { ChaosOptions, Fault, FaultKind } from './history.ts'
import type { Place } from './places.ts'
import { monotonicMs, pause, type Role } from './protocol.ts'

const AT_LEAST_MS = 100
const SHORT_MS = 500
const DIES_WITHIN_MS = 1_000
const MOST_TURNS = 8

export interface Faulty {
  readonly company: Company
  readonly database: Place
  readonly broker: Place
  readonly moments: ChaosOptions['moments']
  readonly below: (n: number) => number
}

/** Makes things go wrong, and writes down what and when. */
export class Faults {
  readonly done: Fault[] = []
  readonly #faulty: Faulty
  readonly #background: Promise<void>[] = []

  constructor(faulty: Faulty) {
    this.#faulty = faulty
  }

  async cause(kind: FaultKind): Promise<void> {
    const { database, broker, below } = this.#faulty
    const shortMs = AT_LEAST_MS + below(SHORT_MS)
    switch (kind) {
      case 'killProducer':
        return this.#kill(kind, 'producer')
      case 'killRelay':
        return this.#kill(kind, 'relay')
      case 'killConsumer':
        return this.#kill(kind, 'consumer')
      case 'stopProducer':
        return this.#stop(kind, 'producer', shortMs)
      case 'stopRelay':
        return this.#stop(kind, 'relay', shortMs)
      case 'stopConsumer':
        return this.#stop(kind, 'consumer', shortMs)
      case 'stopRelayLong':
        return this.#inBackground(this.#stop(kind, 'relay', RELAY_STOPS_FOR_MS))
      case 'stopConsumerLong':
        return this.#inBackground(this.#stop(kind, 'consumer', broker.givesUpAfterMs * 2))
      case 'cutDatabase':
        return this.#during(kind, undefined, database.cut)
      case 'freezeDatabase':
        return this.#during(kind, undefined, () => database.freeze(shortMs))
      case 'killDatabase':
        return this.#during(kind, undefined, database.kill)
      case 'cutBroker':
        return this.#during(kind, undefined, broker.cut)
      case 'freezeBroker':
        return this.#during(kind, undefined, () => broker.freeze(shortMs))
      case 'killBroker':
        return this.#during(kind, undefined, broker.kill)
    }
  }

  /** Resolves when nothing of it goes on in the background. */
  async over(): Promise<void> {
    await Promise.all(this.#background)
  }

  #pick(role: Role): Slot | undefined {
    const { company, below } = this.#faulty
    const awake = company.of(role).filter(({ frozen }) => !frozen)
    return awake[below(awake.length)]
  }

  /** In the middle of its work, at a moment of its own: or none of the steps around a commit would ever be hit. */
  async #kill(kind: FaultKind, role: 'producer' | 'relay' | 'consumer'): Promise<void> {
    const { company, moments, below } = this.#faulty
    const slot = this.#pick(role)
    const when = moments[role][below(moments[role].length)]
    if (!slot || !when) return
    const { child, name } = slot
    await this.#during(kind, name, async () => {
      company.tell(slot, { do: 'die', when, turns: below(MOST_TURNS) })
      await Promise.race([new Promise((resolve) => child.once('exit', resolve)), pause(DIES_WITHIN_MS)])
      if (slot.child === child) await company.kill(slot)
    })
  }

  async #stop(kind: FaultKind, role: Role, forMs: number): Promise<void> {
    const slot = this.#pick(role)
    if (!slot) return
    const { child, name } = slot
    await this.#during(kind, name, async () => {
      slot.frozen = true
      child.kill('SIGSTOP')
      await pause(forMs)
      child.kill('SIGCONT')
      slot.frozen = false
    })
  }

  #inBackground(work: Promise<void>): void {
    this.#background.push(work)
  }

  async #during(kind: FaultKind, life: string | undefined, work: (() => Promise<void>) | undefined): Promise<void> {
    const at = monotonicMs()
    await work?.()
    this.done.push({ kind, at, until: monotonicMs(), ...(life !== undefined && { life }) })
  }
}

/** Longer than a lease of the outbox on SQLite: the other relay goes on with what this one had. */
const RELAY_STOPS_FOR_MS = 11_000

/** Those that these places can have. */
export function deckOf(deck: ChaosOptions['deck'], database: Place, broker: Place): readonly FaultKind[] {
  const can = (kind: FaultKind): boolean => {
    if (kind === 'cutDatabase') return database.cut !== undefined
    if (kind === 'killDatabase') return database.kill !== undefined
    if (kind === 'cutBroker') return broker.cut !== undefined
    return kind !== 'killBroker' || broker.kill !== undefined
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
