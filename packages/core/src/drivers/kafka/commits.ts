import { type Clock, sleep } from '../../clock.ts'
import { backOff } from '../back-off.ts'
import type { Client } from './client.ts'
import { failureOf } from './failure.ts'
import type { Line } from './line.ts'

export interface CommitsOptions {
  /** Not the one that joins. */
  readonly client: Client
  readonly group: string
  readonly clock: Clock
  readonly identity: () => { memberId: string; groupGenerationId: number }
}

interface Waiter {
  readonly line: Line
  readonly version: number
  readonly resolve: () => void
}

/** Commits of one member, one after another: what changes while one is out goes with the next. */
export class Commits {
  readonly #options: CommitsOptions
  readonly #closing = new AbortController()
  readonly #dirty = new Set<Line>()
  #waiters: Waiter[] = []
  #running: Promise<void> | undefined

  constructor(options: CommitsOptions) {
    this.#options = options
  }

  /** Resolves when the broker has what these lines are now, or they are not ours any more. */
  async store(lines: Iterable<Line>): Promise<void> {
    const stored: Promise<void>[] = []
    for (const line of lines) {
      if (line.gone || line.stored >= line.changed) continue
      this.#dirty.add(line)
      stored.push(new Promise((resolve) => this.#waiters.push({ line, version: line.changed, resolve })))
    }
    if (stored.length === 0) return
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    await Promise.all(stored)
  }

  /** Of lines that are gone nothing is waited for. */
  forget(): void {
    this.#answer()
  }

  close(): void {
    this.#closing.abort()
    for (const { resolve } of this.#waiters.splice(0)) resolve()
  }

  #answer(): void {
    const waiting: Waiter[] = []
    for (const waiter of this.#waiters)
      if (waiter.line.gone || waiter.line.stored >= waiter.version) waiter.resolve()
      else waiting.push(waiter)
    this.#waiters = waiting
  }

  async #run(): Promise<void> {
    const { client, group, clock, identity } = this.#options
    const waitMs = backOff({ firstMs: 50, maxMs: 1_000 })
    let n = 1
    // All that this turn of the event loop settles goes together.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#dirty.size > 0 && !this.#closing.signal.aborted) {
      const lines = [...this.#dirty].filter(({ gone }) => !gone)
      this.#dirty.clear()
      const offsets = lines.map((line) => ({ line, topic: line.topic, partition: line.partition, ...line.commit(), version: line.changed }))
      try {
        if (offsets.length > 0) await client.commit(group, identity(), offsets)
        for (const { line, version } of offsets) line.stored = version
        n = 1
      } catch (thrown) {
        for (const line of lines) this.#dirty.add(line)
        const { type } = failureOf(thrown)
        if (type === 'OFFSET_METADATA_TOO_LARGE') for (const line of lines) line.noteless = true
        // Between two rounds of the group; or it went on without this member, which its heartbeat will say.
        else await sleep(clock, waitMs(type === 'REBALANCE_IN_PROGRESS' ? 1 : n++), this.#closing.signal)
      }
      this.#answer()
    }
  }
}
