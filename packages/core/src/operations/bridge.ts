import { type Clock, sleep } from '../clock.ts'
import { burial } from '../consumer/outcome.ts'
import type { Delivery, Driver, Message, Settlement, SubscribeOptions, Subscription, SubscriptionState } from '../driver.ts'
import { CorebusError, PublishError, type PublishFailure, SettleError } from '../errors.ts'
import { newId } from '../wire/id.ts'

export interface BridgeOptions {
  readonly source: Driver
  readonly target: Driver
  readonly topics: readonly string[]
  /** Of the source: its position says how far the bridge is, also after `kill -9`. */
  readonly group: string
  readonly from: 'earliest' | 'latest'
  readonly clock: Clock
  /** Aborts when it is to stop: what is under way is finished, the rest stays with the group. */
  readonly signal: AbortSignal
  /** Stop by itself when the group has nothing left. */
  readonly untilEmpty: boolean
  readonly onTrouble: (what: string) => void
  readonly bridged: Bridged
  /** What the two brokers are called in what is copied: a message goes to no broker that it came from, or has been copied to. */
  readonly between?: { readonly source: string; readonly target: string }
}

export interface Bridged {
  copied: number
  /** What the target would never take: in the dead letters of the group. */
  refused: number
  /** What the target had before: it came from there, or another bridge brought it. */
  there?: number
}

const LIMIT = 1_000
const BATCH = 500
const FIRST_AGAIN_MS = 250
const MOST_AGAIN_MS = 5_000
const LOOK_EVERY_MS = 500
const TAKEN_AGAIN_MS = 1_000

/**
 * Publishes on one broker what a group is handed on another: id, key, headers and bytes as they are, in its order, at least once. A message is
 * settled on the source when the target has it. @throws when the subscription is lost for good.
 */
export async function bridge(options: BridgeOptions): Promise<void> {
  await new Bridge(options).run()
}

/** What was handed out by the source and is not copied yet, and whether to go on. */
class Bridge {
  readonly #options: BridgeOptions
  readonly #waiting: Delivery[] = []
  readonly #lost = new WeakSet<Delivery>()
  readonly #end = new AbortController()
  /** It was told to, nothing is left, or the subscription is lost for good. */
  readonly #stopped: AbortSignal
  #wake: () => void = () => {}
  #dead: Error | undefined
  #copying = false

  constructor(options: BridgeOptions) {
    this.#options = options
    this.#stopped = AbortSignal.any([options.signal, this.#end.signal])
    this.#stopped.addEventListener('abort', () => this.#wake())
  }

  async run(): Promise<void> {
    const subscription = await this.#subscribed()
    if (!subscription) return
    try {
      const watching = this.#options.untilEmpty ? this.#endWhenEmpty() : undefined
      await this.#copyWhatComes(subscription)
      await watching
    } finally {
      await subscription.stop()
    }
    if (this.#dead) throw this.#dead
  }

  /** What a killed one had is its own for some seconds; beside one that runs, this one waits for its turn. */
  async #subscribed(): Promise<Subscription | undefined> {
    const { source, group, clock, onTrouble } = this.#options
    for (let said = false; !this.#stopped.aborted; said = true) {
      try {
        return await source.subscribe(this.#wanted())
      } catch (error) {
        if (!(error instanceof CorebusError) || error.code !== 'GROUP_TAKEN') throw error
        if (!said) onTrouble(`another bridge of the group ${group} has the topics, or had them a moment ago: waits for it`)
        await sleep(clock, TAKEN_AGAIN_MS, this.#stopped)
      }
    }
    return undefined
  }

  #wanted(): SubscribeOptions {
    const { source, topics, group, from } = this.#options
    return {
      topics,
      group,
      from,
      // Where a key is in order within one member only, there must be one.
      exclusive: !source.capabilities.orderedAcrossProcesses,
      limit: LIMIT,
      onDeliveries: (deliveries) => {
        for (const delivery of deliveries) this.#waiting.push(delivery)
        this.#wake()
      },
      onLost: (deliveries) => {
        for (const delivery of deliveries) this.#lost.add(delivery)
      },
      onState: (state) => this.#heed(state),
    }
  }

  #heed(state: SubscriptionState): void {
    switch (state.kind) {
      case 'consuming':
        return
      case 'reconnecting':
        this.#options.onTrouble(`the source is away, and the bridge comes back by itself: ${state.error.message}`)
        return
      case 'dead':
        this.#dead = state.error
        this.#end.abort()
    }
  }

  async #copyWhatComes(subscription: Subscription): Promise<void> {
    const settle: Settle = (all) => subscription.settle(all)
    while (!this.#stopped.aborted) {
      this.#copying = this.#waiting.length > 0
      if (this.#copying) {
        const batch = this.#waiting.splice(0, BATCH).filter((delivery) => !this.#lost.has(delivery))
        await copy(batch, { ...this.#options, signal: this.#stopped }, settle)
      } else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }

  /** Twice nothing: a message may be between the broker and us. */
  async #endWhenEmpty(): Promise<void> {
    const { source, topics, group, clock } = this.#options
    for (let empty = 0; empty < 2 && !this.#stopped.aborted; ) {
      await sleep(clock, LOOK_EVERY_MS, this.#stopped)
      const depths = await Promise.all(topics.map((topic) => source.admin.depth(topic, group))).catch(() => undefined)
      const nothing = depths?.every(({ ready, inFlight = 0 }) => ready === 0 && inFlight === 0)
      empty = nothing && !this.#copying && this.#waiting.length === 0 ? empty + 1 : 0
    }
    this.#end.abort()
  }
}

type Settle = (all: readonly Settlement[]) => Promise<void>

/** A delivery, and what of it goes to the target. */
interface Copied {
  readonly delivery: Delivery
  readonly message: Message
}

/** Until the target has each of them, or never will: later ones wait, so that the order is kept. */
async function copy(deliveries: readonly Delivery[], options: BridgeOptions, settle: Settle): Promise<void> {
  const { target, clock, signal, onTrouble, between } = options
  let left: readonly Copied[] = (await notThereYet(deliveries, options, settle)).map((delivery) => ({
    delivery,
    message: marked(withId(delivery.message), between),
  }))
  let pauseMs = FIRST_AGAIN_MS
  while (left.length > 0) {
    const failures = await published(
      target,
      left.map(({ message }) => message),
    )
    const unstored = await settled(left, failures, options, settle)
    left = left.filter(({ delivery, message }) => unstored.has(delivery) || failures.get(message.id)?.permanent === false)
    if (left.length === 0 || signal.aborted) return
    const [failure] = failures.values()
    if (failure) onTrouble(`the target has not taken ${left.length} messages yet, which are tried again: ${failure.cause.message}`)
    await sleep(clock, pauseMs, signal)
    if (signal.aborted) return
    pauseMs = Math.min(2 * pauseMs, MOST_AGAIN_MS)
  }
}

/** Those that the target has not had before; the others are acknowledged and counted. */
async function notThereYet(
  deliveries: readonly Delivery[],
  { between, bridged, onTrouble }: BridgeOptions,
  settle: Settle,
): Promise<readonly Delivery[]> {
  const known = deliveries.filter(({ message }) => between && visited(message).includes(between.target))
  if (known.length === 0) return deliveries
  bridged.there = (bridged.there ?? 0) + known.length
  await settle(known.map((delivery) => ({ kind: 'ack', delivery }))).catch((error: Error) => onTrouble(error.message))
  return deliveries.filter((delivery) => !known.includes(delivery))
}

/** Acknowledges what the target has, buries what it would never take, and counts both. Returns those whose settlement the source has not stored. */
async function settled(
  all: readonly Copied[],
  failures: ReadonlyMap<string, PublishFailure>,
  { group, clock, onTrouble, bridged }: BridgeOptions,
  settle: Settle,
): Promise<ReadonlySet<Delivery>> {
  const settlements: Settlement[] = []
  for (const { delivery, message } of all) {
    const failure = failures.get(message.id)
    if (failure === undefined) settlements.push({ kind: 'ack', delivery })
    else if (failure.permanent)
      settlements.push(burial(delivery, { attempt: 1, error: refusedBy(failure), reason: 'rejected', group, now: clock.now() }))
  }
  const unstored = await settle(settlements).then(
    () => new Set<Delivery>(),
    (error: unknown) => {
      if (!(error instanceof SettleError)) throw error
      onTrouble(error.message)
      return new Set(error.deliveries)
    },
  )
  for (const { kind, delivery } of settlements) {
    if (unstored.has(delivery)) continue
    if (kind === 'ack') bridged.copied++
    else bridged.refused++
  }
  return unstored
}

async function published(target: Driver, messages: readonly Message[]): Promise<ReadonlyMap<string, PublishFailure>> {
  try {
    await target.publish(messages)
    return new Map()
  } catch (error) {
    if (!(error instanceof PublishError)) throw error
    return new Map(error.failures.map((failure) => [failure.id, failure]))
  }
}

/** Where a foreign author gave none, one of our own: nobody can know the message again without. */
function withId(message: Message): Message {
  return message.id === '' ? { ...message, id: newId() } : message
}

const BRIDGED = 'corebus-bridged'
const MOST_VISITED = 20

function visited({ headers }: Message): readonly string[] {
  return Object.hasOwn(headers, BRIDGED) ? (headers[BRIDGED] ?? '').split(' ') : []
}

function marked(message: Message, between: BridgeOptions['between']): Message {
  if (!between) return message
  const all = [...new Set([...visited(message), between.source, between.target])].slice(-MOST_VISITED)
  return { ...message, headers: { ...message.headers, [BRIDGED]: all.join(' ') } }
}

function refusedBy({ cause }: PublishFailure): Error {
  return new Error(`the bridge's target refused it: ${cause.message}`, { cause })
}
