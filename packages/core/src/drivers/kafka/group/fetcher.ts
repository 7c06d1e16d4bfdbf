import { type Clock, sleep } from '../../../clock.ts'
import { backOff } from '../../back-off.ts'
import { failureOf, forbidden, isForbidden, isUnknownTopic } from '../failure.ts'
import type { Metadata } from '../metadata.ts'
import type { Client, Fetched } from '../protocol/client.ts'
import type { MemberStates } from './states.ts'

/** A partition that is read. */
export interface Source {
  readonly topic: string
  readonly partition: number
  /** Where the next fetch begins. */
  next: number
  /** Its broker; -1 when that has to be asked. */
  leader: number
}

export interface FetcherOptions<S extends Source> {
  /** For the long poll: nothing else may be asked on its connection. */
  readonly polling: Client
  /** For what can be read only since the poll is out: a broker answers one request of a connection after another. */
  readonly catchingUp: Client
  readonly metadata: Metadata
  readonly clock: Clock
  /** Told of what keeps it from reading. */
  readonly states: Pick<MemberStates, 'trouble' | 'forbidden'>
  /** Those that may be read now. */
  readonly sources: () => readonly S[]
  /** There was something, if only a gap. */
  readonly onFetched: (source: S, fetched: Fetched) => void
  /** What was to be read next is not there: trimmed, or the topic is another now. */
  readonly onOutOfRange: (source: S) => void
  /** The topic is gone. Not read again until this has settled. */
  readonly onGone: (topic: string) => Promise<void>
  /** After everything that came with it. */
  readonly onAnswer: () => void
}

/** A long poll that is out. */
interface Poll {
  readonly asked: ReadonlySet<Source>
  over: boolean
  /** Until there is something else to read, or it is over. */
  rest: AbortController
}

/** Of the first poll, and after a failure: that the broker answers is news. */
const FIRST_WAIT_MS = 20
const MAX_WAIT_MS = 1_000
/** Until the long poll takes it over. */
const CATCH_UP_WAIT_MS = 20
const MAX_BYTES = 2 * 1024 * 1024
const LOOK_EVERY_MS = 1_000
/** Without a reason each would make an error, with its stack. */
const WOKEN = 'woken'

/** Reads partitions, one long poll out to each of their brokers, and beside it what the poll does not ask for. */
export class Fetcher<S extends Source> {
  readonly #options: FetcherOptions<S>
  readonly #stopping = new AbortController()
  readonly #loops = new Map<number, Promise<void>>()
  readonly #polls = new Set<Poll>()
  #wake = new AbortController()
  readonly #forbidden = new Set<string>()
  #running: Promise<void> | undefined

  constructor(options: FetcherOptions<S>) {
    this.#options = options
  }

  /** The user may not read one of the topics, and what else comes is no sign that all is well. */
  get isForbidden(): boolean {
    return this.#forbidden.size > 0
  }

  start(): void {
    this.#running = this.#run()
  }

  /** There is something else to read. */
  wake(): void {
    const woken = this.#wake
    // Once it is stopped, nothing waits any more: also what only begins to.
    if (!this.#stopped) this.#wake = new AbortController()
    woken.abort(WOKEN)
    for (const poll of this.#polls) {
      const { rest } = poll
      poll.rest = new AbortController()
      rest.abort(WOKEN)
    }
  }

  /** Nothing more is handed on from now on. */
  stop(): void {
    this.#stopping.abort()
    this.wake()
  }

  /** After the client is closed. */
  async ended(): Promise<void> {
    await this.#running
    await Promise.all(this.#loops.values())
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async #run(): Promise<void> {
    const { clock, sources } = this.#options
    const waitMs = backOff({ maxMs: 1_000 })
    let n = 0
    while (!this.#stopped) {
      // What comes while others are looked up is looked up next.
      const woken = this.#wake.signal
      const lost = sources().filter(({ leader }) => leader < 0)
      const found = await Promise.all([...Map.groupBy(lost, ({ topic }) => topic)].map(([topic, of]) => this.#locate(topic, of)))
      for (const { leader } of sources())
        if (leader >= 0 && !this.#loops.has(leader))
          this.#loops.set(
            leader,
            this.#read(leader).finally(() => this.#loops.delete(leader)),
          )
      n = found.every(Boolean) ? 0 : n + 1
      if (lost.some(({ leader }) => leader >= 0)) this.wake()
      await (n > 0 ? sleep(clock, waitMs(n), this.#stopping.signal) : sleep(clock, LOOK_EVERY_MS, woken))
    }
  }

  #woken(): Promise<void> {
    return sleep(this.#options.clock, LOOK_EVERY_MS, this.#wake.signal)
  }

  async #locate(topic: string, sources: readonly S[]): Promise<boolean> {
    const { metadata, states, onGone } = this.#options
    try {
      const leaders = await metadata.leaders(topic)
      for (const source of sources) source.leader = leaders[source.partition] ?? -1
      return sources.every(({ leader }) => leader >= 0)
    } catch (thrown) {
      const failure = failureOf(thrown)
      if (this.#stopped) return false
      if (isUnknownTopic(failure)) await onGone(topic)
      else states.trouble(failure.error)
      return false
    }
  }

  async #read(leader: number): Promise<void> {
    const { clock, polling } = this.#options
    const waitMs = backOff({ maxMs: 1_000 })
    let maxWaitMs = FIRST_WAIT_MS
    let failures = 0
    while (!this.#stopped) {
      const mine = this.#readable(leader)
      if (mine.length === 0) {
        await this.#woken()
        continue
      }
      const poll: Poll = { asked: new Set(mine), over: false, rest: new AbortController() }
      this.#polls.add(poll)
      const asking = this.#ask(polling, leader, mine, maxWaitMs).finally(() => {
        this.#polls.delete(poll)
        poll.over = true
        poll.rest.abort(WOKEN)
      })
      const [done] = await Promise.all([asking, this.#catchUp(leader, poll)])
      failures = done ? 0 : failures + 1
      maxWaitMs = done ? MAX_WAIT_MS : FIRST_WAIT_MS
      if (failures > 0 && !this.#stopped) await sleep(clock, waitMs(failures), this.#stopping.signal)
    }
  }

  /** While a poll for others is out: a topic that was full, partitions that have just come. Then the next poll asks for them too. */
  async #catchUp(leader: number, poll: Poll): Promise<void> {
    const { clock, catchingUp } = this.#options
    while (!poll.over && !this.#stopped) {
      const more = this.#readable(leader).filter((source) => !poll.asked.has(source))
      if (more.length === 0) await sleep(clock, Number.POSITIVE_INFINITY, poll.rest.signal)
      // What has failed the next poll will see.
      else if (!(await this.#ask(catchingUp, leader, more, CATCH_UP_WAIT_MS))) return
    }
  }

  #readable(leader: number): readonly S[] {
    return this.#options.sources().filter((source) => source.leader === leader)
  }

  /** @returns whether there was an answer, or it is put right already. */
  async #ask(client: Client, leader: number, mine: readonly S[], maxWaitMs: number): Promise<boolean> {
    const { onFetched, onAnswer } = this.#options
    const positions = mine.map(({ topic, partition, next: offset }) => ({ topic, partition, offset }))
    try {
      const fetched = await client.fetch(leader, positions, { maxWaitMs, maxBytes: MAX_BYTES })
      if (this.#stopped) return true
      for (const { topic } of mine) this.#forbidden.delete(topic)
      const asked = new Map(mine.map((source, i) => [`${source.topic}\0${source.partition}`, { source, offset: positions[i]?.offset }]))
      for (const one of fetched) {
        const { source, offset } = asked.get(`${one.topic}\0${one.partition}`) ?? {}
        // Moved meanwhile: that is not what is wanted any more.
        if (source && source.next === offset && one.next > offset) onFetched(source, one)
      }
      onAnswer()
      return true
    } catch (thrown) {
      return this.#stopped || this.#failed(thrown, mine)
    }
  }

  /** @returns whether it is put right already. */
  #failed(thrown: unknown, mine: readonly S[]): boolean {
    const { metadata, states, onOutOfRange } = this.#options
    const failure = failureOf(thrown)
    if (failure.type === 'OFFSET_OUT_OF_RANGE') {
      const source = mine.find(({ topic, partition }) => topic === failure.topic && partition === failure.partition)
      if (source) onOutOfRange(source)
      return source !== undefined
    }
    if (isForbidden(failure)) {
      const { topic = '' } = failure
      this.#forbidden.add(topic)
      states.forbidden(forbidden(`to read topic ${topic}, and the group waits until it has Read on it`, failure))
    } else if (failure.type === '') states.trouble(failure.error)
    // Which of them it is about is not said: all are looked up again.
    for (const source of mine) {
      metadata.forget(source.topic)
      source.leader = -1
    }
    this.wake()
    return false
  }
}
