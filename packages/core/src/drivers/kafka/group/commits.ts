import { type Clock, sleep } from '../../../clock.ts'
import { backOff } from '../../back-off.ts'
import { failureOf, forbidden, isForbidden } from '../failure.ts'
import type { Client } from '../protocol/client.ts'
import type { Line } from './line.ts'
import type { Standing } from './standing.ts'

export interface CommitsOptions {
  /** Not the one that joins. */
  readonly client: Pick<Client, 'commit'>
  readonly group: string
  readonly clock: Clock
  /** Who commits. */
  readonly standing: Pick<Standing, 'identity'>
  /** The user may not commit. */
  readonly onForbidden: (error: Error) => void
}

interface Waiter {
  readonly wanted: readonly { readonly line: Line; readonly version: number }[]
  readonly stored: () => void
}

/** Commits of one member, one after another: what changes while one is out goes with the next. */
export class Commits {
  readonly #options: CommitsOptions
  readonly #closing = new AbortController()
  readonly #dirty = new Set<Line>()
  #waiters: Waiter[] = []
  #running = false

  constructor(options: CommitsOptions) {
    this.#options = options
  }

  /** Resolves when the broker has what these lines are now, or they are not ours any more. */
  store(lines: Iterable<Line>): Promise<void> {
    return new Promise((resolve) => this.whenStored(lines, resolve))
  }

  /** The same, told before the next commit is put together: what changes then goes with that one. */
  whenStored(lines: Iterable<Line>, stored: () => void): void {
    const wanted = [...lines].filter((line) => !line.gone && line.stored < line.changed).map((line) => ({ line, version: line.changed }))
    if (wanted.length === 0) {
      stored()
      return
    }
    for (const { line } of wanted) this.#dirty.add(line)
    this.#waiters.push({ wanted, stored })
    if (!this.#running) void this.#run() // never rejects
  }

  /** Of lines that are gone nothing is waited for. */
  forget(): void {
    this.#answer()
  }

  close(): void {
    this.#closing.abort()
    for (const { stored } of this.#waiters.splice(0)) stored()
  }

  #answer(): void {
    const waiters = this.#waiters
    this.#waiters = []
    const over: Waiter[] = []
    for (const waiter of waiters)
      if (waiter.wanted.every(({ line, version }) => line.gone || line.stored >= version)) over.push(waiter)
      else this.#waiters.push(waiter)
    for (const { stored } of over) stored()
  }

  async #run(): Promise<void> {
    const { client, group, clock, standing, onForbidden } = this.#options
    const waitMs = backOff({ firstMs: 50, maxMs: 1_000 })
    let n = 1
    let kept = false
    this.#running = true
    // What is told in the same breath goes together.
    await Promise.resolve()
    while (this.#dirty.size > 0 && !this.#closing.signal.aborted) {
      const lines = [...this.#dirty].filter(({ gone }) => !gone)
      this.#dirty.clear()
      const offsets = lines.map((line) => ({ line, topic: line.topic, partition: line.partition, ...line.commit(), version: line.changed }))
      try {
        const { memberId, groupGenerationId, keptGenerationId } = standing.identity
        const as = { memberId, groupGenerationId: kept ? keptGenerationId : groupGenerationId }
        if (offsets.length > 0) await client.commit(group, as, offsets)
        for (const { line, version } of offsets) line.stored = version
        n = 1
      } catch (thrown) {
        for (const line of lines) this.#dirty.add(line)
        const failure = failureOf(thrown)
        const { type } = failure
        if (isForbidden(failure)) onForbidden(forbidden('to commit what it has handled, which needs Read on group and topics', failure))
        // A broker that began anew in the middle of a round knows of the round before it, and goes on from there.
        kept = type === 'ILLEGAL_GENERATION' && !kept
        if (type === 'OFFSET_METADATA_TOO_LARGE') for (const line of lines) line.noteless = true
        // Between two rounds of the group; or it went on without this member, which its heartbeat will say.
        else await sleep(clock, waitMs(type === 'REBALANCE_IN_PROGRESS' ? 1 : n++), this.#closing.signal)
      }
      this.#answer()
    }
    // In the same breath as the last look: what comes now begins anew.
    this.#running = false
  }
}
