import type { CompanionHealth } from '@corebus/core'
import type { SqlDatabase, Transacts } from '../database/database.ts'
import { orMissing } from '../database/schema.ts'
import { SILENT_MS } from '../database/silent.ts'
import { asideOfAll, atMost, slept } from '../process/every.ts'
import { newOwner } from '../process/owner.ts'
import { withoutParameters } from '../tx/without-parameters.ts'
import { AwayTopics } from './away.ts'
import { type Lease, takeLease } from './lease.ts'
import { Line } from './line.ts'
import { channelOf } from './notify.ts'
import { Emptying } from './rotate.ts'
import { IDLE_MS, type Look, look, moveDue, versionOf } from './rows.ts'
import { leasedTurn, lockedTurn, type Turn, type TurnOptions } from './turn.ts'
import { Wake } from './wake.ts'

/** After something was found or signalled, the next look comes this soon; each look that finds nothing doubles it, up to `pollMs`. */
const FIRST_WAIT_MS = 20
/** A transaction that has written has most often ended by then. */
const EXPECTED_MS = 20
const FIRST_TROUBLE_MS = 100
const MOST_TROUBLE_MS = 5_000
/** Delayed rows that are moved at once. */
const MOST_MOVED = 500
/** Whether another process has written into a file of SQLite is asked this often. */
const WATCH_MS = 10
/** Names of topics in one line of the log. */
const MOST_NAMES = 200

export interface RelayOptions extends TurnOptions {
  readonly database: SqlDatabase
  readonly pollMs: number
  /** Runs before its first look, again until it resolves: whether what is in the outbox is its to publish. */
  readonly claim?: (transacts: Transacts) => Promise<void>
  /** The first wait of those that double. Default 20. */
  readonly firstWaitMs?: number
  /** How long a relay that has died keeps others from its rows, on SQLite. Default 10,000. */
  readonly leaseMs?: number
  /** A statement that is not answered by then never will be. Default 30,000. */
  readonly silentMs?: number
}

/** How a relay goes on, in ms. */
export interface Pulse {
  /** Since its last look at the outbox, or the end of its last turn. */
  readonly silentMs: number
  /** Since it last had rows to publish. */
  readonly idleMs: number
  /** What the look before said of the oldest row that could leave at once; 0 without one. */
  readonly waitingMs: number
}

/** The result of a round. */
interface Round {
  readonly found: boolean
  /** Until something more is due. */
  readonly inMs: number
}

const NOTHING: Round = { found: false, inMs: Number.POSITIVE_INFINITY }

/** Publishes the rows of one outbox until it is stopped. */
export class Relay {
  readonly #options: RelayOptions
  readonly #owner = newOwner()
  readonly #wake = new Wake()
  /** Who wants to know what the next round comes to. */
  #asking: PromiseWithResolvers<Round>[] = []
  readonly #line: Line
  readonly #emptying: Emptying
  readonly #away = new AwayTopics()
  #running: Promise<void> | undefined
  #isClaimed = false
  readonly #stopping = new AbortController()
  #expecting: NodeJS.Timeout | undefined
  #waitMs: number
  #troubleMs = 0
  #trouble: string | undefined
  #seen: (Pick<Look, 'oldestMs' | 'waitingMs'> & { readonly at: number }) | undefined
  /** What SQLite said before the last look. */
  #version: unknown
  #beatAt = performance.now()
  #tookAt = performance.now()

  constructor(options: RelayOptions) {
    this.#options = options
    this.#waitMs = this.#firstWaitMs
    const { database, logger, tables, silentMs = SILENT_MS, idleMs = IDLE_MS } = options
    this.#emptying = new Emptying(tables.outbox, logger)
    this.#line = new Line({ database, logger, silentMs, idleMs, channel: channelOf(tables.outbox), onNotify: () => this.signal() })
  }

  get #firstWaitMs(): number {
    return this.#options.firstWaitMs ?? FIRST_WAIT_MS
  }

  start(): void {
    // Its transactions are nobody's: begun inside of a session, they would look like parts of that.
    this.#running ??= asideOfAll(() => this.#run())
  }

  /** Something was committed. */
  signal(): void {
    this.#waitMs = this.#firstWaitMs
    this.#wake.signal()
  }

  /** Relays what is due, and resolves with how long nothing more will be; undefined when nothing waits. @throws why it cannot be relayed */
  async catchUp(): Promise<number | undefined> {
    for (;;) {
      if (!this.#running || this.#stopping.signal.aborted) return undefined
      const asking = Promise.withResolvers<Round>()
      this.#asking.push(asking)
      this.signal()
      const { found, inMs } = await asking.promise
      if (!found) return Number.isFinite(inMs) ? Math.max(inMs, 1) : undefined
    }
  }

  /** Something was written that may be committed soon. */
  expect(): void {
    if (this.#expecting) return
    this.#expecting = setTimeout(() => {
      this.#expecting = undefined
      this.signal()
    }, EXPECTED_MS)
    this.#expecting.unref()
  }

  /** Ends after the turn that runs and one more look, for what was committed last. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#expecting)
    this.#wake.signal()
    await atMost(withinMs, this.#running)
  }

  health(): CompanionHealth {
    if (!this.#seen) return { trouble: this.#trouble }
    const { oldestMs, at } = this.#seen
    return { oldestMs: oldestMs === 0 ? 0 : Math.round(oldestMs + performance.now() - at), trouble: this.#trouble }
  }

  /** Makes sure that what is in the outbox is its to publish, as it does by itself before its first look. @throws what `claim` of its options throws */
  async claim(transacts: Transacts = this.#options.database): Promise<void> {
    if (this.#isClaimed) return
    await this.#options.claim?.(transacts)
    this.#isClaimed = true
  }

  /** For who watches over it. */
  pulse(): Pulse {
    const now = performance.now()
    return { silentMs: now - this.#beatAt, idleMs: now - this.#tookAt, waitingMs: this.#seen?.waitingMs ?? 0 }
  }

  #beat(rows: number): void {
    this.#beatAt = performance.now()
    if (rows > 0) this.#tookAt = this.#beatAt
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted || this.#wake.signalled) {
      this.#wake.take()
      const asking = this.#asking.splice(0)
      try {
        const round = await this.#round()
        const { found, inMs } = round
        this.#worked()
        for (const { resolve } of asking) resolve(round)
        if (found) this.#waitMs = this.#firstWaitMs
        else if (!this.#stopping.signal.aborted) await this.#rest(inMs)
      } catch (thrown) {
        for (const { reject } of asking) reject(thrown)
        await this.#failed(thrown)
      }
    }
    for (const { resolve } of this.#asking.splice(0)) resolve(NOTHING)
    await this.#line.close()
  }

  async #rest(inMs: number): Promise<void> {
    const { database, pollMs } = this.#options
    const waitMs = Math.min(this.#waitMs, inMs)
    this.#waitMs = Math.min(this.#waitMs * 2, pollMs)
    if (database.dialect === 'sqlite') await this.#wake.watch(waitMs, WATCH_MS, async () => (await versionOf(database)) !== this.#version)
    else await this.#wake.wait(waitMs)
  }

  #worked(): void {
    this.#troubleMs = 0
    if (this.#away.some) return
    if (this.#trouble !== undefined) this.#options.logger.info('the outbox is relayed again')
    this.#trouble = undefined
  }

  /** Said once for each time that it stops to work. */
  #say(error: Error, what: string): void {
    if (this.#trouble === undefined) this.#options.logger.warn({ err: error }, `${what}: it is tried again`)
    this.#trouble = error.message
  }

  async #failed(thrown: unknown): Promise<void> {
    const { tables, database } = this.#options
    this.#say(orMissing(withoutParameters(thrown), tables.outbox, database.where), 'the outbox is not relayed at the moment')
    this.#troubleMs = Math.min(Math.max(FIRST_TROUBLE_MS, this.#troubleMs * 2), MOST_TROUBLE_MS)
    await slept(this.#troubleMs, this.#stopping.signal)
  }

  async #round(): Promise<Round> {
    const { tables, database } = this.#options
    const transacts = await this.#line.transacts()
    await this.claim(transacts)
    if (database.dialect === 'sqlite') this.#version = await versionOf(database)
    let seen = await transacts.read((tx) => look(tx, tables))
    this.#seen = { oldestMs: seen.oldestMs, waitingMs: seen.waitingMs, at: performance.now() }
    this.#beat(0)
    const isDue = seen.delayedInMs === 0
    if (isDue && (await transacts.transaction((tx) => moveDue(tx, tables, MOST_MOVED))) > 0)
      seen = await transacts.read((tx) => look(tx, tables))
    const rows = await this.#turns(transacts, seen)
    if (database.dialect === 'postgres') await this.#emptying.after(transacts, rows)
    const waits = [seen.delayedInMs, seen.backInMs, this.#away.inMs].filter((ms) => ms !== undefined && ms > 0) as number[]
    return { found: rows > 0, inMs: Math.min(...waits, Number.POSITIVE_INFINITY) }
  }

  /** Each part that has rows gets one turn. */
  async #turns(transacts: Transacts, { parts, back }: Look): Promise<number> {
    const wanted = [...new Set([...parts, ...back])]
    if (wanted.length === 0) {
      this.#away.seenAll({ atMs: performance.now(), leftAlone: [] })
      return 0
    }
    return this.#options.database.dialect === 'sqlite' ? this.#leasedTurns(transacts, wanted, back) : this.#lockedTurns(transacts, wanted)
  }

  async #lockedTurns(transacts: Transacts, wanted: readonly number[]): Promise<number> {
    let rows = 0
    let left = wanted
    const begun = this.#away.begin()
    while (left.length > 0) {
      const turn = await this.#turn((options) => lockedTurn(transacts, left, options))
      rows += turn.taken.size === 0 ? 0 : turn.rows
      // The others have the rest.
      if (turn.parts.length === 0) return rows
      left = left.filter((part) => !turn.parts.includes(part))
    }
    this.#away.seenAll(begun)
    return rows
  }

  /** @throws the trouble of a turn that says nothing of topics: it is everybody's */
  async #turn(take: (options: TurnOptions) => Promise<Turn>): Promise<Turn> {
    const beganAt = performance.now()
    const turn = await take({ ...this.#options, except: this.#away.now() })
    this.#beat(turn.rows)
    this.#away.after(turn, performance.now() - beganAt)
    if (!turn.trouble) return turn
    if (turn.away.length === 0) throw turn.trouble
    this.#say(turn.trouble, `the outbox is not relayed at the moment to ${turn.away.join(', ').slice(0, MOST_NAMES)}`)
    return turn
  }

  async #leasedTurns(transacts: Transacts, wanted: readonly number[], back: readonly number[]): Promise<number> {
    const { tables, leaseMs } = this.#options
    const lease = await takeLease(transacts, tables, { owner: this.#owner, back, leaseMs })
    if (!lease) return 0
    try {
      return await this.#withLease(transacts, lease, wanted)
    } finally {
      await transacts.transaction((tx) => lease.release(tx))
    }
  }

  async #withLease(transacts: Transacts, lease: Lease, wanted: readonly number[]): Promise<number> {
    let rows = 0
    const begun = this.#away.begin()
    for (;;) {
      const turn = await this.#turn((options) => leasedTurn(transacts, lease, wanted, options))
      rows += turn.taken.size === 0 ? 0 : turn.rows
      if (!turn.full || this.#stopping.signal.aborted) break
    }
    this.#away.seenAll(begun)
    return rows
  }
}
