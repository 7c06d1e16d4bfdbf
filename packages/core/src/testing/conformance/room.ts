import type { MessagingOptions } from '../../config/messaging-options.ts'
import type { Delivery, Driver, GroupTopology, Message, Subscription, SubscriptionState } from '../../driver.ts'
import { createMessaging, type Messaging, type Types } from '../../messaging.ts'
import { newId } from '../../wire/id.ts'
import type { LoadedChange } from './chaos/mutation.ts'
import { type Child, type Orders, type Script, startChild } from './child.ts'
import { placeIn } from './protocol.ts'
import type { ConformanceTarget, ConnectOptions } from './target.ts'

/** Where one case takes place: fresh names, and an end to everything it opened. */
export interface Room {
  readonly target: ConformanceTarget
  /** A name nobody else uses. */
  readonly topic: () => string
  readonly connect: (options?: ConnectOptions) => Promise<Driver>
  /** Declares topics and group as the core would, and subscribes. */
  readonly member: (driver: Driver, options: MemberOptions) => Promise<Watched>
  /** An instance of its own, of the service "conformance", silent unless the case gives a logger. */
  readonly messaging: <T extends Types>(options?: MessagingOptions<T['db']>) => Messaging<T>
  /** A process of its own, killed when the case is over. */
  readonly child: (script: Script, orders: Orders, changes?: readonly LoadedChange[]) => Child
  /** Called when the case is over, last first. */
  readonly onLeave: (fn: () => Promise<unknown> | unknown) => void
  readonly leave: () => Promise<void>
}

export interface MemberOptions {
  readonly topics: readonly string[]
  readonly group?: string
  readonly from?: 'earliest' | 'latest'
  readonly exclusive?: boolean
  readonly limit?: number
  readonly delaysMs?: readonly number[]
  readonly deadLetter?: GroupTopology['deadLetter']
  /** Acknowledges everything at once, or what the function says. Default: holds it until the case settles. */
  readonly acknowledges?: boolean | ((delivery: Delivery) => boolean)
  /** `ack` works here already, also for deliveries that come before `subscribe` has resolved. */
  readonly onDeliveries?: (deliveries: readonly Delivery[], ack: Watched['ack']) => void
}

/** A subscription and everything that happened to it. */
export interface Watched extends Subscription {
  readonly deliveries: readonly Delivery[]
  readonly lost: readonly Delivery[]
  readonly states: readonly SubscriptionState[]
  readonly ids: () => readonly string[]
  readonly ack: (...deliveries: readonly Delivery[]) => Promise<void>
  /** The latest delivery of this id. */
  readonly delivery: (id: string) => Delivery
}

export function openRoom(target: ConformanceTarget): Room {
  const endings: (() => Promise<unknown> | unknown)[] = []
  const onLeave: Room['onLeave'] = (fn) => endings.push(fn)
  return {
    target,
    onLeave,
    topic: () => `t-${newId()}`,
    async connect(options) {
      const driver = await target.connect(options)
      onLeave(() => driver.close())
      return driver
    },
    member: watch,
    messaging(options) {
      const messaging = createMessaging({
        ...placeIn(target.options),
        service: 'conformance',
        env: { LOG_LEVEL: 'silent', ...target.env },
        ...options,
      })
      onLeave(() => messaging.close())
      return messaging as Messaging<never>
    },
    child(script, orders, changes) {
      const child = startChild(script, orders, target, changes)
      onLeave(child.kill)
      return child
    },
    async leave() {
      for (const end of endings.splice(0).reverse()) await end()
    },
  }
}

async function watch(
  driver: Driver,
  {
    topics,
    group = 'g',
    from = 'earliest',
    exclusive = false,
    limit = 100,
    delaysMs = [0, 100, 1_000],
    deadLetter = {},
    acknowledges = false,
    onDeliveries = () => {},
  }: MemberOptions,
): Promise<Watched> {
  const delays = delaysMs.map((afterMs) => ({ afterMs, jitter: 0 }))
  await driver.ensure({ topics, groups: topics.map((topic) => ({ group, topic, delays, deadLetter })) }, 'create')

  const deliveries: Delivery[] = []
  const lost: Delivery[] = []
  const states: SubscriptionState[] = []
  // Deliveries may come before subscribe has resolved.
  let subscribed: (subscription: Subscription) => void = () => {}
  const whenSubscribed = new Promise<Subscription>((resolve) => {
    subscribed = resolve
  })
  const ack = async (...done: readonly Delivery[]) => {
    await (await whenSubscribed).settle(done.map((delivery) => ({ kind: 'ack', delivery })))
  }
  const subscription = await driver.subscribe({
    topics,
    group,
    from,
    exclusive,
    limit,
    onDeliveries(given) {
      deliveries.push(...given)
      onDeliveries(given, ack)
      if (acknowledges) void ack(...given.filter(acknowledges === true ? () => true : acknowledges))
    },
    onLost: (given) => lost.push(...given),
    onState: (state) => states.push(state),
  })
  subscribed(subscription)

  return {
    settle: (settlements) => subscription.settle(settlements),
    limit: (most) => subscription.limit(most),
    stop: () => subscription.stop(),
    deliveries,
    lost,
    states,
    ack,
    ids: () => deliveries.map(({ message }) => message.id),
    delivery(id) {
      const found = deliveries.findLast(({ message }) => message.id === id)
      if (!found) throw new Error(`no delivery of ${id} yet`)
      return found
    },
  }
}

export interface MessagesOptions {
  readonly count: number
  /** Keys are dealt out in turn: k0, k1, ... Without it, messages have no key. */
  readonly keys?: number
  readonly bytes?: number
}

/** Messages whose body is `{ "n": 0 }`, `{ "n": 1 }`, ..., padded to `bytes`. */
export function messages(topic: string, { count, keys, bytes = 0 }: MessagesOptions): readonly Message[] {
  const encoder = new TextEncoder()
  return Array.from({ length: count }, (_, n) => ({
    id: newId(),
    topic,
    ...(keys !== undefined && { key: `k${n % keys}` }),
    headers: {},
    body: encoder.encode(JSON.stringify({ n }).padEnd(bytes)),
  }))
}

export function numberIn({ body }: Message): number {
  const { n }: { n: number } = JSON.parse(new TextDecoder().decode(body))
  return n
}

/** What came after a later one of its key, in words. */
export function outOfOrder(deliveries: readonly Delivery[]): readonly string[] {
  const last = new Map<string | undefined, number>()
  const faults: string[] = []
  for (const { message } of deliveries) {
    const n = numberIn(message)
    const before = last.get(message.key) ?? -1
    if (n <= before) faults.push(`${message.key}: ${n} came after ${before}`)
    last.set(message.key, n)
  }
  return faults
}

/** Sorted, for comparing what has no common order. */
export function sorted(ids: readonly string[]): readonly string[] {
  return [...ids].sort()
}

export function idsOf(of: readonly (Message | { readonly message: Message })[]): readonly string[] {
  return of.map((one) => ('message' in one ? one.message.id : one.id))
}
