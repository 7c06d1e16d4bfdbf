import type { Clock } from '../../clock.ts'
import { monotonic } from '../../clock.ts'
import { asError } from '../../errors.ts'
import { isGone, isLost, membershipLost } from './failure.ts'
import type { Lease } from './holdings.ts'
import { listOf, type Nodes } from './nodes.ts'
import { evict, tick } from './scripts/member.ts'

export interface PulseOptions {
  readonly group: string
  /** As the scripts of a member want them. */
  readonly keys: readonly string[]
  readonly nodes: Nodes
  readonly clock: Clock
  readonly leaseMs: number
  readonly onLost: (error: Error) => void
  /** Not for a lost connection, which is heard of elsewhere. */
  readonly onTrouble: (error: Error) => void
  readonly onBeat: (beat: Beat) => Promise<void>
}

export interface Beat {
  /** Messages that are with nobody, and with us, as the server counts. */
  readonly nobodys: number
  readonly mine: number
  /** How many beats there have been. */
  readonly count: number
  /** Consumers of other clients in the group. */
  readonly others: readonly { readonly name: string; readonly pending: number }[]
  /** Retries that somebody deleted while they waited. */
  readonly deleted: number
  /** Messages that somebody deleted before the group was given them. */
  readonly skipped: number
  /** Why a retry that is due could not be moved. Empty: all were. */
  readonly refusal: string
}

const EVERY_MS = 1_000
/** Whether a member that has missed two of them still has a connection the server knows. One that was killed has none. */
const SILENT_MS = 2 * EVERY_MS + 200
const MOVED_AT_ONCE = 200
const MOVED_AGAIN_MS = 5_000

/** Says now and then that a member lives, and does what somebody of the group has to do: whoever does it, it is done once. */
export class Pulse {
  readonly #lease: Lease
  readonly #options: PulseOptions
  #count = 0
  #beating: Promise<void> | undefined
  #cancel: (() => void) | undefined
  #nextAt = Number.POSITIVE_INFINITY
  #stopped = false
  #mayAsk = true

  constructor(lease: Lease, options: PulseOptions) {
    this.#lease = lease
    this.#options = options
  }

  /** The next beat comes no later. */
  within(ms: number): void {
    const { clock } = this.#options
    const at = monotonic(clock) + ms
    if (this.#stopped || (this.#cancel && at >= this.#nextAt)) return
    this.#cancel?.()
    this.#nextAt = at
    this.#cancel = clock.after(ms, () => {
      this.#cancel = undefined
      void this.beat() // never rejects
    })
  }

  /** Never rejects. */
  beat(): Promise<void> {
    this.#beating ??= this.#beat().finally(() => {
      this.#beating = undefined
    })
    return this.#beating
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  async #beat(): Promise<void> {
    if (this.#stopped) return
    const { group, keys, nodes, clock, leaseMs, onLost, onTrouble, onBeat } = this.#options
    let nextMs = EVERY_MS
    try {
      const askedAt = monotonic(clock)
      const numbers = [leaseMs, leaseMs / 2, MOVED_AT_ONCE, nodes.of(keys[0] as string).hello.id, SILENT_MS, MOVED_AGAIN_MS]
      const reply = listOf(await nodes.run(tick, keys, [group, this.#lease.name, ...numbers.map(String)]))
      const [said, nobodys, mine, dueMs, silent, strangers, deleted, refusal, skipped] = reply
      if (said === 'lost') return onLost(membershipLost(group))
      this.#lease.renewedAt = askedAt
      if (Number(dueMs) >= 0) nextMs = Math.min(nextMs, Number(dueMs))
      const names = listOf(strangers)
      const others = names.flatMap((name, i) => (i % 2 === 0 ? { name: String(name), pending: Number(names[i + 1]) } : []))
      await onBeat({
        nobodys: Number(nobodys),
        mine: Number(mine),
        count: this.#count++,
        others,
        deleted: Number(deleted),
        refusal: String(refusal),
        skipped: Number(skipped),
      })
      if (this.#mayAsk && (await this.#endSilent(listOf(silent).map(String)))) nextMs = 0
    } catch (thrown) {
      const error = asError(thrown)
      if (isGone(error)) return onLost(error)
      if (!isLost(error)) onTrouble(error)
    }
    this.within(nextMs)
  }

  /** Whether somebody was found to be gone. */
  async #endSilent(silent: readonly string[]): Promise<boolean> {
    if (silent.length === 0) return false
    const { group, keys, nodes } = this.#options
    const connections = silent.filter((_, i) => i % 3 === 2)
    let there: string
    try {
      there = String(await nodes.send(keys[0] as string, ['CLIENT', 'LIST', 'ID', ...connections]))
    } catch (thrown) {
      // A user who may not ask waits until a silent member's time is over.
      if (!isLost(asError(thrown))) this.#mayAsk = false
      return false
    }
    const known = new Set([...there.matchAll(/^id=(\d+) /gm)].map(([, id]) => id))
    const gone = silent.flatMap((name, i) => (i % 3 === 0 && !known.has(silent[i + 2]) ? [name, silent[i + 1] as string] : []))
    if (gone.length > 0) await nodes.run(evict, keys, [group, this.#lease.name, ...gone])
    return gone.length > 0
  }
}
