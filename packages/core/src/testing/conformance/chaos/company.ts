import type { Child } from '../child.ts'
import type { ChaosProducerOrders, Mix } from '../notes.ts'
import { monotonicMs } from '../protocol.ts'
import type { Room } from '../room.ts'
import { quiet, until } from '../wait.ts'
import type { Life } from './history.ts'
import type { LoadedChange } from './mutation.ts'
import { Progress } from './progress.ts'

export interface CompanyOptions {
  readonly topics: readonly string[]
  readonly producers: number
  readonly members: number
  readonly seed: number
  readonly mix: Mix
  readonly pauseMs: number
  readonly changes: readonly LoadedChange[]
}

/** A place in the company, whoever fills it now. */
export interface Slot {
  readonly role: Life['role']
  readonly n: number
  /** Of a member: what it reads. */
  readonly topic: string
  lives: number
  name: string
  child: Child
  /** It was told to close: whoever ends is not replaced. */
  leaving: boolean
  /** It stands still for a while. */
  frozen: boolean
  /** How often it did for long. */
  freezes: number
}

interface Entry {
  life: Omit<Life, 'notes'>
  readonly child: Child
}

const STARTS_WITHIN_MS = 60_000
/** A producer's last messages may have to be published several times. */
const ENDS_WITHIN_MS = 60_000
const SAID_AT_ONCE = 3
const MOST_GUESTS = 2
const LAST_WORDS = 6

/** The processes of a chaos run and their supervisor: whoever dies is started again. */
export class Company {
  readonly members: Slot[] = []
  readonly producers: Slot[] = []
  readonly progress: Progress = new Progress()
  readonly #room: Room
  readonly #options: CompanyOptions
  readonly #lives: Entry[] = []
  #hired = 0
  #over = false
  #hopeless: string | undefined

  constructor(room: Room, options: CompanyOptions) {
    this.#room = room
    this.#options = options
  }

  /** Members first: what is published before there is a group lies elsewhere. */
  async open(): Promise<void> {
    const { members, producers, changes } = this.#options
    while (this.#hired < members) this.hire()
    await this.until(() => this.isComplete)
    for (const { child } of this.members)
      for (const { find } of changes)
        if (!child.heard('mutated').some((one) => one.find === find)) throw new Error(`"${find}" was never loaded: it changes nothing`)
    for (let n = 1; n <= producers; n++) this.producers.push(this.#fill('producer', n))
    await this.until(() => this.progress.settled > 0)
  }

  /** As many as may be at once. */
  get isFull(): boolean {
    return this.members.length >= this.#options.members + MOST_GUESTS
  }

  /** One more member, who is replaced like the others. */
  hire(): Slot {
    const slot = this.#fill('member', ++this.#hired)
    this.members.push(slot)
    return slot
  }

  /** Goes as it is told, and nobody takes its place. */
  async dismiss(slot: Slot): Promise<void> {
    await this.close([slot])
    this.members.splice(this.members.indexOf(slot), 1)
  }

  /** Nobody is just starting. */
  get isComplete(): boolean {
    return this.members.every(({ child }) => child.heard('ready').length > 0)
  }

  /** Resolves when each is done with what it had begun; who is not in time never ends, in the ledger. */
  async close(slots: readonly Slot[]): Promise<void> {
    let left = slots.length
    for (const slot of slots) {
      slot.leaving = true
      slot.child.tell({ do: 'close' })
      void slot.child.exited.then(() => left--)
    }
    const deadline = performance.now() + ENDS_WITHIN_MS
    while (left > 0 && performance.now() < deadline) await quiet()
  }

  /** Fails at once when a process ends for a reason that a new start does not mend. */
  until(happened: () => boolean, limitMs: number = STARTS_WITHIN_MS): Promise<void> {
    const looks = () => {
      if (this.#hopeless !== undefined) throw new Error(this.#hopeless)
      return happened()
    }
    const living = () => this.#lives.filter(({ life }) => !life.end)
    return until(
      looks,
      () => living().map(({ child, life }) => [life.name, child.trouble(), JSON.stringify(child.said.slice(-LAST_WORDS))]),
      limitMs,
    )
  }

  /** Everybody that ever was, and what they said. */
  lives(): readonly Life[] {
    return this.#lives.map(({ life, child }) => ({ ...life, notes: child.heard('note').map(({ note }) => note) }))
  }

  #fill(role: Life['role'], n: number): Slot {
    const name = `${role} ${n}.1`
    const slot: Slot = {
      role,
      n,
      topic: this.#topicOf(n),
      lives: 1,
      name,
      child: this.#start(role, n, 1),
      leaving: false,
      frozen: false,
      freezes: 0,
    }
    this.#supervise(slot)
    return slot
  }

  #topicOf(n: number): string {
    const { topics } = this.#options
    return topics[(n - 1) % topics.length] as string
  }

  #start(role: Life['role'], n: number, life: number): Child {
    const { topics, seed, mix, pauseMs, changes } = this.#options
    const { target } = this.#room
    const { url, client } = target.chaos ?? {}
    const orders = { ...target.options, ...(url !== undefined && { url }), ...(client && { client }) }
    const sends = n % 2 === 0 ? 'one' : 'many'
    const producing: ChaosProducerOrders = { ...orders, topics, seed: seed + 1_000 * n + life, sends, mix, pauseMs }
    return role === 'member'
      ? this.#room.child('chaos-member', { ...orders, topic: this.#topicOf(n) }, changes)
      : this.#room.child('chaos-producer', producing, changes)
  }

  #supervise(slot: Slot): void {
    const { child, name, role } = slot
    const entry: Entry = { life: { name, role, end: undefined }, child }
    this.#lives.push(entry)
    // Of everything that is done when the case is over this comes before this child is killed.
    this.#room.onLeave(() => {
      this.#over = true
    })
    this.progress.follow(child)
    void child.exited.then((code) => {
      const how = code === null ? 'killed' : code === 0 && child.heard('closed').length > 0 ? 'closed' : 'failed'
      entry.life = { name, role, end: { at: monotonicMs(), how, trouble: child.trouble() } }
      // Its script does not even run.
      if (how === 'failed' && child.said.length < SAID_AT_ONCE && child.heard('note').length === 0) this.#hopeless = child.trouble()
      if (slot.leaving || this.#over || this.#hopeless !== undefined) return
      slot.lives++
      slot.name = `${role} ${slot.n}.${slot.lives}`
      slot.child = this.#start(role, slot.n, slot.lives)
      this.#supervise(slot)
    })
  }
}
