import { real } from '../clock.ts'
import { CorebusError } from '../errors.ts'
import { leastOf, resources, type UnderWay, waitingFor } from './waiting-for.ts'

/** Turns of the loop without anything happening, after which nothing will: a publish, a delivery and a settlement take one each. */
const STILL_TURNS = 3
/** Turns of the loop after which messages in flight that do not move, with no handler running, are taken to wait for the clock. */
const WAITS_TURNS = 50
/** After so many turns it is something else that is waited for, and the loop is given time. */
const BUSY_TURNS = 200
/** `advance` leaves so much real time to handlers that wait for something real. */
const TOLERANCE_MS = 20

/** The messages that the broker still has for groups of this instance. */
interface Backlog {
  readonly now: number
  readonly delayed: number
  /** When the next row of an outbox or run of a schedule is due, on this clock. */
  readonly laterAt: number
}

const turn = (): Promise<void> => new Promise((resolve) => real.setImmediate(resolve))
const pause = (): Promise<void> => new Promise((resolve) => real.setTimeout(resolve, 1))

/** Knows when nothing can happen any more: now, or before its clock goes on. */
export class Quiet {
  /** How long `settled` waits for something that does not move, in ms of real time. */
  patienceMs = 1_000
  mostMessages = 100_000
  readonly #world: UnderWay
  /** As far as things were when `advance` last gave up waiting for a handler. */
  #leftAt = -1

  constructor(world: UnderWay) {
    this.#world = world
  }

  /**
   * Resolves when nothing can happen any more, also later: time goes on to whatever is due next.
   * @throws CorebusError TEST_NOT_SETTLED
   */
  async settled(): Promise<void> {
    const { clock, history } = this.#world
    const most = history.publishes + this.mostMessages
    this.#world.openBefore = leastOf(this.#world.openBefore, resources())
    for (;;) {
      const { now, delayed, laterAt } = await this.still(most)
      if (now === 0 && delayed === 0) return
      if (clock.nextAt === undefined) throw this.#never('messages wait, and nothing is due that could go on with them')
      this.#goOn(laterAt)
    }
  }

  /** Lets `ms` pass, with all that is due until then and what follows from it. What waits for something real is not waited for. */
  async advance(ms: number): Promise<void> {
    const { clock } = this.#world
    const end = clock.now() + ms
    for (let at = await this.#tolerant(); Math.min(at, clock.nextAt ?? at) <= end; at = await this.#tolerant()) this.#goOn(at)
    clock.jump(end)
    await this.#tolerant()
  }

  /** Resolves when `isDone`: time goes on where that is what is waited for. */
  async until(isDone: () => boolean): Promise<void> {
    const { history } = this.#world
    let [seen, since] = [-1, real.now()]
    for (let turns = 0; !isDone(); turns++) {
      await (turns > BUSY_TURNS ? pause() : turn())
      if (history.moves !== seen) [seen, since, turns] = [history.moves, real.now(), 0]
      else if (turns > WAITS_TURNS && (real.now() - since > this.patienceMs || !this.#isActive())) this.#world.clock.next()
    }
  }

  /**
   * Resolves when nothing happens before time goes on.
   * @throws CorebusError TEST_NOT_SETTLED when something has not moved for `patienceMs`
   */
  async still(most: number = Number.POSITIVE_INFINITY): Promise<Backlog> {
    const backlog = await this.#moveless(this.patienceMs, most)
    if (backlog) return backlog
    if (this.#world.history.publishes > most)
      throw this.#never(`${this.mostMessages} messages were published meanwhile, and there is no end to them (mostMessages)`)
    throw this.#never(`nothing has moved for ${this.patienceMs} ms`)
  }

  async #tolerant(): Promise<number> {
    const { history } = this.#world
    // It was waited for before, and has not moved since.
    const withinMs = history.moves === this.#leftAt ? 0 : TOLERANCE_MS
    const backlog = await this.#moveless(withinMs)
    if (!backlog) this.#leftAt = history.moves
    return backlog?.laterAt ?? Number.POSITIVE_INFINITY
  }

  async #moveless(withinMs: number, most = Number.POSITIVE_INFINITY): Promise<Backlog | undefined> {
    const { history } = this.#world
    let [seen, since] = [-1, real.now()]
    for (let turns = 0; ; turns++) {
      await (turns > BUSY_TURNS ? pause() : turn())
      if (history.moves !== seen) [seen, since, turns] = [history.moves, real.now(), 0]
      if (history.publishes > most) return undefined
      if (turns < STILL_TURNS) continue
      if (this.#isActive()) {
        if (real.now() - since > withinMs) return undefined
        continue
      }
      const backlog = await this.#backlog()
      if (history.moves !== seen || (backlog.now > 0 && turns < WAITS_TURNS)) continue
      const laterAt = await this.#caughtUp()
      if (history.moves !== seen || this.#isActive()) continue
      this.#world.dirty = false
      return { ...backlog, laterAt }
    }
  }

  /** Something runs in this process that goes on by itself. */
  #isActive(): boolean {
    const { parts } = this.#world.made
    return (
      this.#world.running.size > 0 ||
      parts.requests.open > 0 ||
      parts.publisher.pending > 0 ||
      parts.outlet.background.size > 0 ||
      parts.consumers.health().groups.some(({ running }) => running > 0)
    )
  }

  /** Lets companions do what is due in a database. Resolves with the time at which something is due again. */
  async #caughtUp(): Promise<number> {
    const { companions } = this.#world.made.parts
    if (!companions.canCatchUp) return Number.POSITIVE_INFINITY
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = real.setTimeout(
      () => reject(this.#never(`the outbox or a schedule has not ended for ${this.patienceMs} ms what is due`)),
      this.patienceMs,
    )
    try {
      const inMs = await Promise.race([companions.catchUp(), late])
      return this.#world.clock.now() + (inMs ?? Number.POSITIVE_INFINITY)
    } finally {
      real.clearTimeout(timer)
    }
  }

  async #backlog(): Promise<Omit<Backlog, 'laterAt'>> {
    const { readers, made } = this.#world
    let [now, waiting] = [0, 0]
    if (readers.size === 0) return { now, delayed: waiting }
    const { admin } = await made.messaging.driver()
    for (const [topic, groups] of readers)
      for (const group of groups) {
        const { ready, inFlight = 0, delayed = 0, members } = await admin.depth(topic, group)
        // Nobody is there for it.
        if (members === 0) continue
        now += ready + inFlight
        waiting += delayed
      }
    return { now, delayed: waiting }
  }

  /** To what is due next, here or in a database, which is asked again then. */
  #goOn(laterAt: number): void {
    const { clock } = this.#world
    const at = Math.min(clock.nextAt ?? laterAt, laterAt)
    clock.jump(at)
    while (clock.nextAt !== undefined && clock.nextAt === at) clock.next()
  }

  #never(why: string): CorebusError {
    return new CorebusError(
      'TEST_NOT_SETTLED',
      `settled() cannot come: ${why}. ${waitingFor(this.#world)}\nWhat has happened:\n${this.#world.history.timeline.text()}`,
    )
  }
}
