import { Hold, held } from '../../clock.ts'
import type { ConnectionState, Driver, DriverOptions, Message, SubscribeOptions } from '../../driver.ts'
import { asError, PublishError, type PublishFailure } from '../../errors.ts'
import { addressOf } from './address.ts'
import { admin } from './admin.ts'
import { closed, isUnreachable, Link } from './connection.ts'
import { letters } from './dead-letters.ts'
import { Declarer, registryStream } from './declare.ts'
import type { MembershipContext } from './membership.ts'
import { namesWith } from './names.ts'
import { Publisher } from './publisher.ts'
import { type Failure, failureOf } from './refusal.ts'
import { Registry } from './registry.ts'
import { type Member, subscribe } from './subscription.ts'
import { openTail, type Tail } from './tail.ts'
import type { Target } from './target.ts'
import { createTargets } from './targets.ts'
import { Topology } from './topology.ts'
import { toAmqp } from './wire.ts'

/** What tests change; users have no reason to. */
export interface Tuning {
  /** Most messages kept of a topic that no group reads. */
  readonly unclaimedMessages: number
  readonly unclaimedKeepMs: number
}

const DAY_MS = 24 * 60 * 60_000
const DEFAULTS: Tuning = { unclaimedMessages: 1_000_000, unclaimedKeepMs: 7 * DAY_MS }
/** The broker takes back a delivery, and closes its channel, after 30 minutes (`consumer_timeout`). */
const LONGEST_HANDLING_MS = 25 * 60_000
/** Each message has its own confirm: the smaller, the sooner its publishers go on while others wait; the larger, the less a message costs. */
const PUBLISHED_AT_ONCE = 16

/** RabbitMQ 3.10 and later, on quorum queues. `durability` has nothing to apply to: a confirm means that it is stored. */
export function rabbitmqDriver(options: DriverOptions, tuning: Partial<Tuning> = {}): Driver {
  const { clock, service, prefix, publishTimeoutMs: timeoutMs } = options
  const { unclaimedMessages: maxMessages, unclaimedKeepMs: keepMs } = { ...DEFAULTS, ...tuning }
  const address = addressOf(options)
  const names = namesWith(prefix)
  const closing = new AbortController()
  const members = new Set<Member>()
  const tails = new Set<Tail>()
  const starting = new Set<Promise<unknown>>()
  const hold = new Hold()
  const troubles = new Map<Link, Error>()
  let onState: (state: ConnectionState) => void = () => {}
  let state: ConnectionState['kind'] | 'new' = 'new'
  let said: string | undefined
  let blocked: Error | undefined
  let ended: Promise<void> | undefined

  // Under an alarm the broker reads nothing from a connection that has published, not even acknowledgements: so those have another.
  const publishing: Link = link(
    (error) => publisher.down(error),
    (model) => publisher.up(model),
  )
  const consuming: Link = link(
    () => {},
    () => {},
  )
  const publisher = new Publisher({ clock, timeoutMs })
  const declarer = new Declarer(consuming, { clock, timeoutMs, signal: closing.signal })
  const log: Target = {
    exchange: '',
    routingKey: names.registry,
    remake: () => declarer.run(async (channel) => void (await channel.assertQueue(names.registry, registryStream))),
    whyRefused: async () => new Error(`RabbitMQ refused what was published to ${names.registry}`),
  }
  const registry = new Registry({
    declarer,
    queue: names.registry,
    clock,
    append: (body) => publisher.store(log, { body, properties: { mandatory: true, contentType: 'application/json' } }),
  })
  const topology = new Topology({ names, service, unclaimed: { keepMs, maxMessages }, declarer, registry })
  const targets = createTargets({ names, topology, declarer, maxUnclaimed: maxMessages })
  const entries = () => topology.entries()
  const dead = letters({ names, declarer, publisher, targets, clock, entries })
  const context: MembershipContext = {
    ...{ link: consuming, names, topology, targets, publisher, declarer, clock, timeoutMs },
    closing: closing.signal,
    owned: new Set(),
  }

  function link(onDown: (error: Error) => void, onUp: ConstructorParameters<typeof Link>[0]['onUp']): Link {
    const made: Link = new Link({
      address,
      clock,
      onUp(model) {
        troubles.delete(made)
        onUp(model)
        tell()
      },
      onDown(error) {
        troubles.set(made, error)
        if (made === publishing) blocked = undefined
        onDown(error)
        tell()
      },
      onBlocked(error) {
        blocked = error
        publisher.block(error)
        tell()
      },
    })
    return made
  }

  /** Said when it changes: of two connections that are lost together, one is news, and so is what neither can come back from by itself. */
  function tell(): void {
    const trouble = [...troubles.values()].findLast(isUnreachable) ?? troubles.values().next().value
    const now: ConnectionState = trouble
      ? { kind: 'reconnecting', error: trouble }
      : blocked
        ? { kind: 'blocked', error: blocked }
        : { kind: 'connected' }
    const unreachable = trouble && isUnreachable(trouble) ? trouble.message : undefined
    const news = state !== now.kind || (unreachable !== undefined && unreachable !== said)
    if (!news || state === 'new' || closing.signal.aborted) return
    state = now.kind
    said = unreachable
    onState(now)
  }

  async function publish(messages: readonly Message[]): Promise<void> {
    const failures: PublishFailure[] = []
    const refused = new Map<string, Error>()
    let last: string | undefined
    for (const { topic } of messages) {
      const made = topic === last ? undefined : topology.topic(topic)
      last = topic
      if (made) await made.catch((error: unknown) => refused.set(topic, asError(error)))
    }
    await new Promise<void>((resolve) => {
      let left = messages.length
      let target: Target | undefined
      for (const message of messages) {
        const end = (failure: Failure | undefined) => {
          if (failure) failures.push({ id: message.id, ...failure })
          if (--left === 0) resolve()
        }
        try {
          const cause = refused.get(message.topic)
          if (cause) throw cause
          if (target?.routingKey !== message.topic) target = targets.topic(message.topic)
          publisher.publish(target, toAmqp(message, clock.now()), end)
        } catch (thrown) {
          end(failureOf(thrown))
        }
      }
    })
    if (failures.length > 0) throw new PublishError(failures)
  }

  async function track<T>(work: Promise<T>): Promise<T> {
    starting.add(work)
    try {
      return await work
    } finally {
      starting.delete(work)
    }
  }

  async function close(): Promise<void> {
    closing.abort()
    await Promise.allSettled(starting)
    if (publishing.model) await publisher.flush()
    await Promise.all([...members].map((member) => member.end()))
    await Promise.all([...tails].map((tail) => tail.stop()))
    publisher.close(closed())
    await Promise.all([publishing.close(), consuming.close()])
    hold.end()
  }

  /** The process lives while one of these does, also during an outage. */
  const alive = new Set<Member | Tail>()
  function live(one: Member | Tail, on: boolean): void {
    if (on) alive.add(one)
    else alive.delete(one)
    if (alive.size > 0) hold.on()
    else hold.off()
  }

  return {
    name: 'rabbitmq',
    capabilities: { durable: true, orderedAcrossProcesses: false, keepsHistory: false, longestHandlingMs: LONGEST_HANDLING_MS },
    admin: admin({ names, declarer, letters: dead, entries }),
    pipelinedBatch: PUBLISHED_AT_ONCE,
    async connect(listener) {
      if (closing.signal.aborted) throw closed()
      onState = listener
      try {
        await Promise.all([publishing.open(timeoutMs), consuming.open(timeoutMs)])
      } catch (error) {
        // One of them may be there: nobody closes a driver that never connected.
        await Promise.all([publishing.close(), consuming.close()])
        throw error
      }
      state = 'connected'
      onState({ kind: 'connected' })
    },
    ensure: (wanted, mode) => topology.ensure(wanted, mode),
    async publish(messages) {
      if (messages.length === 0) return
      if (!closing.signal.aborted) return publish(messages)
      const cause = closed()
      throw new PublishError(
        messages.map(({ id }) => ({ id, permanent: false, cause })),
        cause.code,
      )
    },
    async subscribe(wanted: SubscribeOptions) {
      if (closing.signal.aborted) throw closed()
      const member = await track(
        subscribe(wanted, context).then((made) => {
          members.add(made)
          return made
        }),
      )
      live(member, true)
      return {
        settle: member.settle,
        limit: member.limit,
        stop() {
          live(member, false)
          return member.stop()
        },
      }
    },
    async tail({ topic, onMessages }) {
      if (closing.signal.aborted) throw closed()
      await topology.topic(topic)
      const readers = () => topology.readersOf(topic)
      const tail = await track(openTail({ topic, onMessages, link: consuming, declarer, names, clock, timeoutMs, readers }))
      tails.add(tail)
      live(tail, true)
      return {
        async stop() {
          live(tail, false)
          tails.delete(tail)
          await tail.stop()
        },
      }
    },
    close() {
      ended ??= held(close)
      return ended
    },
  }
}
