import { CorebusError, type Delivery, type Driver, type Message, type Subscription } from '@corebus/core'
import { decodeJson, isEnvelope } from '@corebus/core/internal'
import { slept } from '@corebus/sql/internal'
import type { Entry } from './journal.ts'
import type { Projection } from './projection.ts'
import type { Workings } from './workings.ts'

const LIMIT = 1_000
const PART = 500
const LOOK_EVERY_MS = 100

/** The number of messages that were read, and of those that the journal did not have. */
export interface Fetched {
  read: number
  added: number
}

export interface FetchOptions {
  readonly signal: AbortSignal
  readonly onProgress: (fetched: Readonly<Fetched>) => void
}

/**
 * Adds to the journal what the broker still has of the projection's events, by a group of its own, which is gone afterwards. Events that the journal has
 * are there once. What is published meanwhile comes by the projection's own group.
 * @throws CorebusError REBUILD_SOURCE where the broker keeps nothing that was handled, or its events are those of others; the reason of the signal
 */
export async function fetchFromBroker(projection: Projection, workings: Workings, options: FetchOptions): Promise<Fetched> {
  const driver = await workings.messaging.driver()
  const topics = topicsOf(projection, workings)
  checkSource(projection, driver)
  const group = `${projection.group}.rebuild`
  // A reading that was killed has left its position at the broker.
  await forget(driver, topics, group)
  await driver.ensure({ topics: [], groups: topics.map((topic) => ({ topic, group, delays: [], deadLetter: false as const })) }, 'create')
  const reading = new Reading(projection, workings, driver, { topics, group, ...options })
  try {
    return await reading.run()
  } finally {
    await forget(driver, topics, group).catch(() => undefined) // what is left of it is forgotten by the next run
  }
}

function checkSource({ name, events }: Projection, { name: broker, capabilities }: Driver): void {
  const foreign = events.find((event) => event.in)
  if (foreign)
    throw new CorebusError(
      'REBUILD_SOURCE',
      `projection ${name} handles ${foreign.name}, which is a message of others: rebuild it from the journal`,
    )
  if (!capabilities.keepsHistory)
    throw new CorebusError(
      'REBUILD_SOURCE',
      `${broker} keeps nothing that was handled, so projection ${name} cannot be rebuilt from it: leave out --from, and the journal is read`,
    )
}

function topicsOf({ name, events, on }: Projection, { messaging }: Workings): readonly string[] {
  const topics = events.flatMap((event) => on.topic ?? event.topic ?? messaging.settings.defaultTopic ?? [])
  if (topics.length > 0) return [...new Set(topics)]
  throw new CorebusError('REBUILD_SOURCE', `the events of projection ${name} have no topic`)
}

async function forget(driver: Driver, topics: readonly string[], group: string): Promise<void> {
  const there = await driver.admin.topics(topics)
  for (const { topic, groups } of there) if (groups.includes(group)) await driver.admin.removeGroup(topic, group)
}

interface ReadingOptions extends FetchOptions {
  readonly topics: readonly string[]
  readonly group: string
}

/** A reading of the broker: it holds what was handed out and is not in the journal yet. */
class Reading {
  readonly #workings: Workings
  readonly #driver: Driver
  readonly #options: ReadingOptions
  readonly #names: ReadonlySet<string>
  readonly #fetched: Fetched = { read: 0, added: 0 }
  #waiting: Delivery[] = []
  #dead: Error | undefined

  constructor(projection: Projection, workings: Workings, driver: Driver, options: ReadingOptions) {
    this.#workings = workings
    this.#driver = driver
    this.#options = options
    this.#names = new Set(projection.events.map((event) => event.name))
  }

  async run(): Promise<Fetched> {
    const { topics, group, signal } = this.#options
    const subscription = await this.#driver.subscribe({
      topics,
      group,
      from: 'earliest',
      exclusive: !this.#driver.capabilities.orderedAcrossProcesses,
      limit: LIMIT,
      onDeliveries: (deliveries) => void this.#waiting.push(...deliveries),
      onLost: (deliveries) => {
        this.#waiting = this.#waiting.filter((one) => !deliveries.includes(one))
      },
      onState: (state) => {
        if (state.kind === 'dead') this.#dead = state.error
      },
    })
    try {
      // Twice nothing: a message may be between the broker and us.
      for (let empty = 0; empty < 2; ) {
        if (this.#waiting.length > 0) {
          empty = 0
          await this.#keep(subscription)
          continue
        }
        await slept(LOOK_EVERY_MS, signal, true)
        signal.throwIfAborted()
        if (this.#dead) throw this.#dead
        empty = (await this.#isEmpty()) ? empty + 1 : 0
      }
      return this.#fetched
    } finally {
      await subscription.stop()
    }
  }

  async #isEmpty(): Promise<boolean> {
    const { topics, group } = this.#options
    const depths = await Promise.all(topics.map((topic) => this.#driver.admin.depth(topic, group)))
    return this.#waiting.length === 0 && depths.every(({ ready, inFlight = 0 }) => ready === 0 && inFlight === 0)
  }

  async #keep(subscription: Subscription): Promise<void> {
    const { database, barrier, journal } = this.#workings
    const part = this.#waiting.splice(0, PART)
    const entries = part.flatMap(({ message }) => this.#entryOf(message) ?? [])
    const added = await database.transaction(async (tx) => {
      await barrier.pass(tx)
      let count = 0
      for (const entry of entries) if (await journal.append(tx, entry)) count++
      return count
    })
    await subscription.settle(part.map((delivery) => ({ kind: 'ack', delivery })))
    this.#fetched.read += part.length
    this.#fetched.added += added
    this.#options.onProgress(this.#fetched)
    this.#options.signal.throwIfAborted()
  }

  /** Undefined for what is no event of the projection. */
  #entryOf({ topic, id, key, headers, body, tombstone, unreadable }: Message): Entry | undefined {
    if (id === '' || tombstone || unreadable !== undefined) return undefined
    try {
      const envelope = decodeJson(body)
      if (!isEnvelope(envelope) || !this.#names.has(envelope.name)) return undefined
      return { topic, id, key, headers, name: envelope.name, body }
    } catch {
      // No JSON: it is in the dead letters of the projection's own group.
      return undefined
    }
  }
}
