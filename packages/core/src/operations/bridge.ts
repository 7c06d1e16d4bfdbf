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
  const { source, topics, group, from, clock, untilEmpty } = options
  const waiting: Delivery[] = []
  const lost = new WeakSet<Delivery>()
  const end = new AbortController()
  const stopped = AbortSignal.any([options.signal, end.signal])
  let wake: () => void = () => {}
  let dead: Error | undefined
  let busy = false
  stopped.addEventListener('abort', () => wake())

  const subscription = await subscribed({
    topics,
    group,
    from,
    // Where a key is in order within one member only, there must be one.
    exclusive: !source.capabilities.orderedAcrossProcesses,
    limit: LIMIT,
    onDeliveries(deliveries) {
      for (const delivery of deliveries) waiting.push(delivery)
      wake()
    },
    onLost(deliveries) {
      for (const delivery of deliveries) lost.add(delivery)
    },
    onState(state: SubscriptionState) {
      if (state.kind === 'consuming') return
      if (state.kind === 'reconnecting')
        return options.onTrouble(`the source is away, and the bridge comes back by itself: ${state.error.message}`)
      dead = state.error
      end.abort()
    },
  })
  if (!subscription) return
  try {
    const watching = untilEmpty ? watch() : undefined
    while (!stopped.aborted) {
      busy = waiting.length > 0
      if (busy)
        await copy(
          waiting.splice(0, BATCH).filter((delivery) => !lost.has(delivery)),
          { ...options, signal: stopped },
          subscription.settle,
        )
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
    await watching
  } finally {
    await subscription.stop()
  }
  if (dead) throw dead

  /** What a killed one had is its own for some seconds; beside one that runs, this one waits for its turn. */
  async function subscribed(wanted: SubscribeOptions): Promise<Subscription | undefined> {
    for (let said = false; !stopped.aborted; said = true) {
      try {
        return await source.subscribe(wanted)
      } catch (error) {
        if (!(error instanceof CorebusError) || error.code !== 'GROUP_TAKEN') throw error
        if (!said) options.onTrouble(`another bridge of the group ${group} has the topics, or had them a moment ago: waits for it`)
        await sleep(clock, TAKEN_AGAIN_MS, stopped)
      }
    }
    return undefined
  }

  /** Twice nothing: a message may be between the broker and us. */
  async function watch(): Promise<void> {
    for (let empty = 0; empty < 2 && !stopped.aborted; ) {
      await sleep(clock, LOOK_EVERY_MS, stopped)
      const depths = await Promise.all(topics.map((topic) => source.admin.depth(topic, group))).catch(() => undefined)
      const nothing = depths?.every(({ ready, inFlight = 0 }) => ready === 0 && inFlight === 0)
      empty = nothing && !busy && waiting.length === 0 ? empty + 1 : 0
    }
    end.abort()
  }
}

/** Until the target has each of them, or never will: later ones wait, so that the order is kept. */
async function copy(
  deliveries: readonly Delivery[],
  options: BridgeOptions,
  settle: (all: readonly Settlement[]) => Promise<void>,
): Promise<void> {
  const { target, group, clock, signal, onTrouble, bridged } = options
  const { between } = options
  const known = deliveries.filter(({ message }) => between && visited(message).includes(between.target))
  if (known.length > 0) {
    bridged.there = (bridged.there ?? 0) + known.length
    await settle(known.map((delivery) => ({ kind: 'ack', delivery }))).catch((error: Error) => onTrouble(error.message))
  }
  let left = deliveries
    .filter((delivery) => !known.includes(delivery))
    .map((delivery) => ({ delivery, message: marked(withId(delivery.message), between) }))
  let pauseMs = FIRST_AGAIN_MS
  while (left.length > 0) {
    const failures = await published(
      target,
      left.map(({ message }) => message),
    )
    const settlements: Settlement[] = []
    for (const { delivery, message } of left) {
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
    left = left.filter(({ delivery, message }) => unstored.has(delivery) || failures.get(message.id)?.permanent === false)
    if (left.length === 0 || signal.aborted) return
    const [failure] = failures.values()
    if (failure) onTrouble(`the target has not taken ${left.length} messages yet, which are tried again: ${failure.cause.message}`)
    await sleep(clock, pauseMs, signal)
    if (signal.aborted) return
    pauseMs = Math.min(2 * pauseMs, MOST_AGAIN_MS)
  }
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
