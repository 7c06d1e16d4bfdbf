import { real } from '../../clock.ts'
import { Queue } from '../../collections/queue.ts'
import { RenewedMap } from '../../collections/renewed-map.ts'
import type { DeadLetterPlace } from '../../driver.ts'
import { DeadLetters } from './dead-letters.ts'
import { hasParked, type Lane, newLane, park, parkFirst } from './lane.ts'
import type { Kept, Member, Receipt } from './member.ts'

/** One group's view of one topic: what waits, who is there, and who gets what next. */
export class Group {
  readonly name: string
  readonly topic: string
  /** From its first subscription on. Before that it is only known, and receives nothing. */
  started = false
  /** False after the group was removed: then it is here for its dead letters alone. */
  known = true
  /** As first declared; `false` and undefined take the default place. */
  deadLetterPlace: DeadLetterPlace | false | undefined
  readonly dead: DeadLetters
  /** Every member, also one that has stopped and still holds something. */
  readonly members: Member[] = []
  #ready: Queue<Kept> = new Queue()
  /** Retries that are due, replays, what was handed back without a key: before the line, so that a backlog does not delay them. */
  readonly #again: Queue<Kept> = new Queue()
  readonly #lanes: RenewedMap<string, Lane> = new RenewedMap()
  /** Lanes that nobody owns, with messages that wait. */
  readonly #freeLanes: Queue<Lane> = new Queue()
  #parked = 0
  #position = 0
  #turn = 0
  #scheduled = false

  constructor(topic: string, name: string, dead: DeadLetters = new DeadLetters()) {
    this.topic = topic
    this.name = name
    this.dead = dead
  }

  start(backlog: Queue<Kept>): void {
    this.started = true
    this.#ready = backlog
  }

  get ready(): number {
    return this.#ready.length + this.#again.length + this.#parked
  }

  get inFlight(): number {
    return this.members.reduce((sum, member) => sum + member.unsettled, 0)
  }

  *waiting(): Iterable<Kept> {
    // The line is in order of publishing: its first is its oldest.
    const first = this.#ready.peek()
    if (first) yield first
    yield* this.#again
    for (const lane of this.#lanes.values()) if (lane.parked) yield* lane.parked
    for (const member of this.members) for (const receipt of member.unsettledReceipts()) yield receipt.kept
  }

  add(kept: Kept): void {
    this.#ready.push(kept)
    if (!this.#scheduled && this.members.length > 0) this.schedule()
  }

  addAgain(kept: Kept): void {
    this.#again.push(kept)
    this.schedule()
  }

  join(member: Member): void {
    // A member alone needs no lanes; from now on the keys it holds are its own.
    for (const other of this.members) for (const receipt of other.unsettledReceipts()) this.#own(receipt, other)
    this.members.push(member)
    this.schedule()
  }

  /** For a member that wants nothing more. It stays known as long as it holds something. */
  leave(member: Member): void {
    member.stopped = true
    if (member.unsettled === 0) this.#forget(member)
  }

  /** Takes back everything the member holds; nothing is counted. */
  handBack(member: Member): void {
    const given = member.giveUp()
    const byLane = new Map<Lane, Kept[]>()
    const withoutKey: Kept[] = []
    for (const { lane, kept } of given) {
      const same = lane ? byLane.get(lane) : withoutKey
      if (same) same.push(kept)
      else if (lane) byLane.set(lane, [kept])
    }
    this.#again.prepend(withoutKey)
    for (const [lane, kept] of byLane) {
      parkFirst(lane, kept)
      this.#parked += kept.length
      lane.out = 0
      this.#free(lane)
    }
    this.leave(member)
    this.schedule()
  }

  /** The receipt's message is done with: acknowledged, or its copy is stored. */
  settle(receipt: Receipt, member: Member): void {
    receipt.member = undefined
    member.unsettled--
    const { lane } = receipt
    if (lane && --lane.out === 0) this.#free(lane)
    if (member.stopped && member.unsettled === 0) this.#forget(member)
    if (!this.#scheduled && this.ready > 0) this.schedule()
  }

  /** Hands out in a moment, everything that has come together until then. */
  schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    // After I/O rather than on a microtask: a handler that publishes to its own topic must not starve the process, and many small publishes
    // leave as one batch.
    real.setImmediate(handOut, this)
  }

  handOut(): void {
    this.#scheduled = false
    for (const member of this.members) this.#giveOwnLanes(member)
    for (let member = this.#nextWithRoom(); member; member = this.#nextWithRoom()) {
      if (this.#giveNext(member)) continue
      // It got nothing, so it is still its turn: what comes one by one goes to each of them, and what one passes on to another.
      this.#turn--
      break
    }
    // A copy: what a member does with its deliveries may change who is here.
    for (const member of [...this.members]) member.deliver()
  }

  #own(receipt: Receipt, member: Member): void {
    const { key } = receipt.kept.message
    if (key === undefined || receipt.lane) return
    receipt.lane = this.#laneOf(key)
    receipt.lane.owner = member
    receipt.lane.out++
  }

  #laneOf(key: string): Lane {
    let lane = this.#lanes.get(key)
    if (!lane) {
      lane = newLane(key)
      this.#lanes.set(key, lane)
    }
    return lane
  }

  #forget(member: Member): void {
    const at = this.members.indexOf(member)
    if (at >= 0) this.members.splice(at, 1)
  }

  #free(lane: Lane): void {
    lane.owner = undefined
    if (hasParked(lane)) this.#freeLanes.push(lane)
    else this.#lanes.delete(lane.key)
  }

  /** In turn, so that everyone with room gets a fair share. */
  #nextWithRoom(): Member | undefined {
    const { members } = this
    for (let i = 0; i < members.length; i++) {
      if (this.#turn >= members.length) this.#turn = 0
      const member = members[this.#turn++] as Member
      if (member.hasRoom(this.#position)) return member
    }
    return undefined
  }

  /** What waited for this member alone comes before anything new. */
  #giveOwnLanes(member: Member): void {
    for (let lane = member.lanes.peek(); lane; lane = member.lanes.peek()) {
      if (lane.owner === member && !this.#giveParked(lane, member)) return
      member.lanes.shift()
    }
  }

  /** False when the member has no more room for what is parked. */
  #giveParked(lane: Lane, member: Member): boolean {
    while (hasParked(lane)) {
      if (!member.hasRoom(this.#position)) return false
      this.#parked--
      this.#give(lane.parked?.shift() as Kept, lane, member)
    }
    return true
  }

  /** Takes one step for a member with room; false when there is nothing it could get. */
  #giveNext(member: Member): boolean {
    const lane = this.#freeLanes.shift()
    if (lane) {
      lane.owner = member
      if (!this.#giveParked(lane, member)) member.lanes.push(lane)
      return true
    }
    // A key's backlog that its owner has no room for is not read any further than the window.
    const kept = this.#again.shift() ?? (this.#parked < member.window ? this.#ready.shift() : undefined)
    if (!kept) return false
    const { key } = kept.message
    const alone = this.members.length === 1 && this.#lanes.size === 0
    const to = kept.notFor === member ? (this.members.find((other) => other !== member && other.hasRoom(this.#position)) ?? member) : member
    if (key === undefined || alone) this.#give(kept, undefined, to)
    else this.#giveKeyed(kept, key, to)
    return true
  }

  #giveKeyed(kept: Kept, key: string, member: Member): void {
    const lane = this.#laneOf(key)
    const owner = lane.owner ?? member
    if (!hasParked(lane) && owner.hasRoom(this.#position)) {
      lane.owner = owner
      this.#give(kept, lane, owner)
      return
    }
    if (lane.owner && !hasParked(lane)) lane.owner.lanes.push(lane)
    park(lane, kept)
    this.#parked++
  }

  #give(kept: Kept, lane: Lane | undefined, member: Member): void {
    if (lane) lane.out++
    member.take(kept, lane, this.#position++)
  }
}

function handOut(group: Group): void {
  group.handOut()
}
