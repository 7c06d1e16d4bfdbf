import { setImmediate as turn } from 'node:timers/promises'
import { CorebusError } from '@corebus/core'
import type { SqlTx } from '@corebus/sql'
import { type Fetched, fetchFromBroker } from './from-broker.ts'
import { type Generation, placesOf } from './generations.ts'
import { changeDocuments } from './handling.ts'
import { eventOf, type Kept } from './journal.ts'
import type { Projection } from './projection.ts'
import { leaseOf } from './status.ts'
import { shapesOf, type Workings } from './workings.ts'

export interface RebuildOptions {
  /** `broker`: what the broker still has is added to the journal first, for events that nobody has handled so far. Default `journal`. */
  readonly from?: 'journal' | 'broker'
  /** Ends it: what was built is dropped, and readers are shown what they were shown before. */
  readonly signal?: AbortSignal
  /** Told after each part. `total` grows with what arrives meanwhile. */
  readonly onProgress?: (progress: Progress) => void
  /** Told how much of the broker was read, and how much of that the journal did not have. */
  readonly onFetched?: (fetched: Readonly<Fetched>) => void
}

export interface Progress {
  readonly done: number
  readonly total: number
}

export interface Rebuilt {
  readonly events: number
  /** The generation that readers are shown from now on. */
  readonly generation: number
  /** How long handlers were kept waiting at the change. */
  readonly heldMs: number
}

/** Events of one transaction. On SQLite handlers wait for it. */
const PART = 200
/** The number of events left that is small enough for handlers to wait for them. */
const FEW = 200
const LEASE_MS = 30_000

/**
 * Fills a second set of collections from the journal, in its order, goes on with what arrives meanwhile, and changes over to it in one transaction, in which
 * the last events are handled while nobody else handles any. Readers are shown one set or the other, whole.
 *
 * Killed at any point it leaves what readers were shown as it was; a second run begins anew, once the lease of the first has ended.
 * @throws CorebusError REBUILD_SOURCE where the broker cannot be read, REBUILD_RUNS while another process does it, REBUILD_LOST when another has begun meanwhile, REBUILD_FAILED when an event cannot be
 * handled; the reason of the signal
 */
export async function rebuild(projection: Projection, workings: Workings, options: RebuildOptions): Promise<Rebuilt> {
  const tried = await workings.leases.tryLease(leaseOf(projection.name), { ttlMs: LEASE_MS }, async ({ signal: lost }) => {
    const signal = options.signal ? AbortSignal.any([options.signal, lost]) : lost
    if (options.from === 'broker') await fetchFromBroker(projection, workings, { signal, onProgress: options.onFetched ?? (() => {}) })
    return new Rebuild(projection, workings, { ...options, signal }).run()
  })
  if (tried.held) return tried.result
  throw new CorebusError(
    'REBUILD_RUNS',
    `projection ${projection.name} is being rebuilt by another process, or one has died in the last ${LEASE_MS / 1_000} s: look with \`npx corebus projections status ${projection.name}\``,
  )
}

/** How far a rebuild is. */
interface At {
  /** In the journal: all up to this number is handled. */
  readonly position: bigint
  readonly done: number
}

class Rebuild {
  readonly #projection: Projection
  readonly #workings: Workings
  readonly #onProgress: (progress: Progress) => void
  readonly #signal: AbortSignal
  readonly #names: readonly string[]
  #at: At = { position: 0n, done: 0 }
  #total = 0

  constructor(
    projection: Projection,
    workings: Workings,
    { signal, onProgress = () => {} }: RebuildOptions & { readonly signal: AbortSignal },
  ) {
    this.#projection = projection
    this.#workings = workings
    this.#signal = signal
    this.#onProgress = onProgress
    this.#names = projection.events.map((event) => event.name)
  }

  async run(): Promise<Rebuilt> {
    const generation = await this.#begin()
    try {
      await this.#fill(generation)
      return await this.#change(generation)
    } catch (thrown) {
      await this.#abandon(generation)
      throw thrown
    }
  }

  async #begin(): Promise<Generation> {
    const { database, generations, journal, store } = this.#workings
    const { name, version } = this.#projection
    const until = await this.#stored()
    const { number, leftover } = await database.transaction(async (tx) => {
      this.#total = await journal.count(tx, { names: this.#names, after: 0n, until })
      return generations.begin(tx, name, this.#total)
    })
    const generation = { number, version, places: placesOf(shapesOf(this.#projection), number) }
    const own = Object.values(generation.places)
    // Remembered before they are made: whoever comes after a kill drops them.
    await database.transaction((tx) => generations.leave(tx, name, [...leftover, ...own.map((place) => place.name)]))
    for (const one of leftover) await store.drop(one)
    await database.transaction((tx) =>
      generations.leave(
        tx,
        name,
        own.map((place) => place.name),
      ),
    )
    for (const place of own) await store.create(place)
    return generation
  }

  /** All that has this number or a smaller one is committed. */
  #stored(): Promise<bigint> {
    const { database, barrier, journal } = this.#workings
    return database.transaction(async (tx) => {
      await barrier.close(tx)
      return journal.last(tx)
    })
  }

  /** Until few are left; or not fewer than in the round before, since events come faster than they are handled again: then consumers have to wait. */
  async #fill(generation: Generation): Promise<void> {
    const { database } = this.#workings
    for (let before = Number.POSITIVE_INFINITY, handled = 0; ; before = handled) {
      const until = await this.#stored()
      handled = 0
      for (let at = this.#at; at.position < until; this.#tell(at)) {
        const from = at
        at = await database.transaction((tx) => this.#part(tx, generation, from, until))
        handled += at.done - from.done
        // SQLite answers without a wait: nobody else in this process, nor the renewal of the lease, would have a turn.
        await turn()
      }
      if (handled <= FEW || handled >= before) return
    }
  }

  /** Handles the next events, and says how far it is then. It counts when its transaction has committed. */
  async #part(tx: SqlTx, generation: Generation, from: At, until: bigint): Promise<At> {
    this.#signal.throwIfAborted()
    const { generations, journal } = this.#workings
    const kept = await journal.read(tx, { names: this.#names, after: from.position, until }, PART)
    for (const one of kept) await this.#handle(tx, generation, one)
    const done = from.done + kept.length
    const total = Math.max(this.#total, done)
    await generations.progress(tx, this.#projection.name, { number: generation.number, done, total })
    return { done, position: kept.length < PART ? until : (kept.at(-1)?.seq ?? until) }
  }

  #tell(at: At): void {
    this.#at = at
    this.#total = Math.max(this.#total, at.done)
    this.#onProgress({ done: at.done, total: this.#total })
  }

  async #handle(tx: SqlTx, generation: Generation, kept: Kept): Promise<void> {
    const { name, events } = this.#projection
    try {
      const type = events.find((one) => one.name === kept.name)
      if (!type) throw new Error(`it does not handle ${kept.name}`)
      const context = { logger: this.#workings.messaging.logger, signal: this.#signal }
      const event = eventOf(kept, type)
      await changeDocuments(this.#projection, this.#workings, { tx, generation, event, entry: kept, replay: true, context })
    } catch (thrown) {
      this.#signal.throwIfAborted()
      throw new CorebusError(
        'REBUILD_FAILED',
        `projection ${name} could not be rebuilt: ${kept.name} ${kept.id} of ${kept.topic}, number ${kept.seq} of the journal, was not handled: ${thrown instanceof Error ? thrown.message : String(thrown)}. What readers are shown is as it was`,
        { cause: thrown },
      )
    }
  }

  async #change(generation: Generation): Promise<Rebuilt> {
    const { database, barrier, generations, journal, store } = this.#workings
    const { name } = this.#projection
    this.#signal.throwIfAborted()
    const { at, old, heldMs } = await database.transaction(async (tx) => {
      await barrier.close(tx)
      const heldFrom = performance.now()
      const until = await journal.last(tx)
      let last = this.#at
      while (last.position < until) last = await this.#part(tx, generation, last, until)
      const active = await generations.active(tx, name, { latest: true })
      const before = Object.values(active?.places ?? {}).map((place) => place.name)
      await generations.swap(tx, name, generation, before)
      return { at: last, old: before, heldMs: performance.now() - heldFrom }
    })
    this.#tell(at)
    for (const one of old) await store.drop(one)
    await database.transaction((tx) => generations.leave(tx, name, []))
    return { events: at.done, generation: generation.number, heldMs }
  }

  /** Gives the generation up. What cannot be dropped now is dropped by the next run. */
  async #abandon(generation: Generation): Promise<void> {
    const { database, generations, store } = this.#workings
    try {
      const isActive = await database.transaction(async (tx) => {
        const active = await generations.active(tx, this.#projection.name)
        await generations.abandon(tx, this.#projection.name, generation.number)
        return active?.number === generation.number
      })
      // The change was committed, and what failed came after it.
      if (isActive) return
      for (const { name } of Object.values(generation.places)) await store.drop(name)
    } catch {
      // The database is away: the error that led here says so.
    }
  }
}
