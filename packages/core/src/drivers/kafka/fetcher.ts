import { type Clock, sleep } from '../../clock.ts'
import { CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import type { Client, Fetched } from './client.ts'
import { failureOf, isUnknownTopic } from './failure.ts'
import type { Metadata } from './metadata.ts'

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
  readonly client: Client
  readonly metadata: Metadata
  readonly clock: Clock
  /** Those that may be read now. */
  readonly sources: () => readonly S[]
  readonly onFetched: (source: S, fetched: Fetched) => void
  /** What was to be read next is not there: trimmed, or the topic is another now. */
  readonly onOutOfRange: (source: S) => void
  /** The topic is gone. Not read again until this has settled. */
  readonly onGone: (topic: string) => Promise<void>
  readonly onTrouble: (error: Error) => void
  readonly onAnswer: () => void
  readonly onDead: (error: Error) => void
}

/** What is new to read waits until the poll that is out has ended: so the first ones are short. */
const FIRST_WAIT_MS = 20
const MAX_WAIT_MS = 300
const MAX_BYTES = 4 * 1024 * 1024
const LOOK_EVERY_MS = 1_000

/** Reads partitions, one long poll out to each of their brokers. */
export class Fetcher<S extends Source> {
  readonly #options: FetcherOptions<S>
  readonly #stopping = new AbortController()
  readonly #loops = new Map<number, Promise<void>>()
  #wake = new AbortController()
  /** Since there was something else to read. */
  #polls = 0
  #running: Promise<void> | undefined

  constructor(options: FetcherOptions<S>) {
    this.#options = options
  }

  start(): void {
    this.#running = this.#run()
  }

  /** There is something else to read. */
  wake(): void {
    const woken = this.#wake
    // Once it is stopped, nothing waits any more: also what only begins to.
    if (!this.#stopped) this.#wake = new AbortController()
    this.#polls = 0
    woken.abort()
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
      const lost = sources().filter(({ leader }) => leader < 0)
      const found = await Promise.all([...Map.groupBy(lost, ({ topic }) => topic)].map(([topic, of]) => this.#locate(topic, of)))
      for (const { leader } of sources())
        if (leader >= 0 && !this.#loops.has(leader))
          this.#loops.set(
            leader,
            this.#read(leader).finally(() => this.#loops.delete(leader)),
          )
      n = found.every(Boolean) ? 0 : n + 1
      await (n > 0 ? sleep(clock, waitMs(n), this.#stopping.signal) : this.#woken())
    }
  }

  #woken(): Promise<void> {
    return sleep(this.#options.clock, LOOK_EVERY_MS, this.#wake.signal)
  }

  async #locate(topic: string, sources: readonly S[]): Promise<boolean> {
    const { metadata, onGone, onTrouble } = this.#options
    try {
      const leaders = await metadata.leaders(topic)
      for (const source of sources) source.leader = leaders[source.partition] ?? -1
      return sources.every(({ leader }) => leader >= 0)
    } catch (thrown) {
      const failure = failureOf(thrown)
      if (this.#stopped) return false
      if (isUnknownTopic(failure)) await onGone(topic)
      else onTrouble(failure.error)
      return false
    }
  }

  async #read(leader: number): Promise<void> {
    const { client, clock, sources, onFetched, onAnswer } = this.#options
    const waitMs = backOff({ maxMs: 1_000 })
    let failures = 0
    while (!this.#stopped) {
      const mine = sources().filter((source) => source.leader === leader)
      if (mine.length === 0) {
        await this.#woken()
        continue
      }
      const positions = mine.map(({ topic, partition, next: offset }) => ({ topic, partition, offset }))
      try {
        const maxWaitMs = Math.min(FIRST_WAIT_MS * 2 ** this.#polls++, MAX_WAIT_MS)
        const fetched = await client.fetch(leader, positions, { maxWaitMs, maxBytes: MAX_BYTES })
        failures = 0
        if (this.#stopped) return
        onAnswer()
        const asked = new Map(mine.map((source, i) => [`${source.topic}\0${source.partition}`, { source, offset: positions[i]?.offset }]))
        for (const one of fetched) {
          const { source, offset } = asked.get(`${one.topic}\0${one.partition}`) ?? {}
          // Moved meanwhile: that is not what is wanted any more.
          if (source && source.next === offset) onFetched(source, one)
        }
      } catch (thrown) {
        if (this.#stopped) return
        failures = this.#failed(thrown, mine) ? 0 : failures + 1
        if (failures > 0) await sleep(clock, waitMs(failures), this.#stopping.signal)
      }
    }
  }

  /** @returns whether it is put right already. */
  #failed(thrown: unknown, mine: readonly S[]): boolean {
    const { metadata, onOutOfRange, onTrouble, onDead } = this.#options
    const failure = failureOf(thrown)
    if (failure.error.name === 'KafkaJSNotImplemented') {
      onDead(
        new CorebusError('CODEC', `a message is compressed in a way that kafkajs cannot read without a package: ${failure.error.message}`, {
          cause: failure.error,
        }),
      )
      this.stop()
      return true
    }
    if (failure.type === 'OFFSET_OUT_OF_RANGE') {
      const source = mine.find(({ topic, partition }) => topic === failure.topic && partition === failure.partition)
      if (source) onOutOfRange(source)
      return source !== undefined
    }
    if (failure.type === '') onTrouble(failure.error)
    // Which of them it is about is not said: all are looked up again.
    for (const source of mine) {
      metadata.forget(source.topic)
      source.leader = -1
    }
    this.wake()
    return false
  }
}
