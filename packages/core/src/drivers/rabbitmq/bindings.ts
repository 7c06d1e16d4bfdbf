import type { Channel } from 'amqplib'
import { CorebusError } from '../../errors.ts'
import type { Declarer } from './declare.ts'
import type { Names } from './names.ts'
import { topicBinding } from './places.ts'
import type { BindEntry, Entry, OurSource, Registry } from './registry.ts'
import { declare, forbidden } from './things.ts'

export interface BindingsOptions {
  readonly names: Names
  readonly declarer: Declarer
  readonly registry: Registry
  /** Makes the topic, which is gone. */
  readonly remakeTopic: (topic: string) => Promise<void>
}

/** A group on a topic, and what it reads if not the topic. */
export interface Bound {
  readonly topic: string
  readonly group: string
  readonly source?: OurSource | undefined
}

type Binding = Pick<BindEntry, 'exchange' | 'key' | 'arguments'>

/** What the queues of groups are bound to. The broker tells nobody, so it is written down, before an exchange of others is bound and after a topic is. */
export class Bindings {
  readonly #options: BindingsOptions
  /** This user may not bind them, and it is written down that somebody has. */
  readonly #boundByOthers = new Set<string>()

  constructor(options: BindingsOptions) {
    this.#options = options
  }

  /**
   * What is published from now on is the group's. @returns whether an exchange of the topic was gone, and is made anew
   * @throws CorebusError SOURCE where the exchange of others is not there
   */
  async bind(bound: Bound, mayCreate: boolean): Promise<boolean> {
    try {
      if (!bound.source) return await this.#toTopic(bound, mayCreate)
      if ('exchange' in bound.source) await this.#toExchange(bound, mayCreate)
    } catch (error) {
      if (!(error instanceof CorebusError) || error.code !== 'ACCESS_REFUSED') throw error
      // It may be bound already, by somebody who may: then that is written down.
      if (mayCreate) throw forbidden(error, `group ${bound.group} on topic ${bound.topic}`)
      if (!(await this.#isWrittenDown(bound))) throw notKnownToBeBound(bound, error)
      this.#boundByOthers.add(keyOf(bound))
    }
    return false
  }

  /** Again, where it may be lost: an exchange was deleted and made anew. Not where a newer member of the group wants other bindings. */
  async bindAgain(bound: Bound, mayCreate: boolean): Promise<boolean> {
    if (this.#boundByOthers.has(keyOf(bound))) return this.#lookForExchanges(bound)
    const { registry } = this.#options
    if (bound.source) {
      const all = await registry.entries().catch(unlessForbidden)
      const latest = all?.findLast((entry) => entry.kind === 'group' && entry.topic === bound.topic && entry.group === bound.group)
      if (latest?.kind === 'group' && JSON.stringify(latest.source) !== JSON.stringify(bound.source)) return false
    }
    return this.bind(bound, mayCreate)
  }

  /** To look at an exchange takes no right. */
  async #lookForExchanges(bound: Bound): Promise<false> {
    const { declarer, names } = this.#options
    for (const { exchange } of bindingsOf(bound)) {
      if (await declarer.hasExchange(exchange)) continue
      const queue = names.work(bound.topic, bound.group)
      throw exchangeIsGone(bound, exchange, `, and bind the queue ${queue} to it, which this user may not`)
    }
    return false
  }

  /**
   * The builds before this one bound the queues of groups to the topic itself. They are bound to the exchange behind it before that is bound to the topic:
   * with nobody behind it, it would keep for nobody what they have had. @returns whether it may be bound
   */
  async moveEarlier(topic: string): Promise<boolean> {
    const { declarer, registry, names } = this.#options
    for (const entry of registry.known) {
      if (entry.kind !== 'bound' || entry.topic !== topic || entry.by) continue
      const moved = boundEntry(entry)
      if (registry.has(moved)) continue
      try {
        const queue = names.work(topic, entry.group)
        const done = await declarer.unlessMissing(async (channel) => ({ is: await channel.bindQueue(queue, names.groups(topic), '') }))
        if (done) await registry.add([moved])
      } catch (error) {
        // Somebody else's queue. Its own service does it, and until then the topic is as it was.
        if (error instanceof CorebusError && error.code === 'ACCESS_REFUSED') return false
        throw error
      }
    }
    return true
  }

  /** The queue is ours, so are its bindings: those that nobody wants any more go. @returns what is to be said of those that may not be undone */
  async unbindOthers(bound: Bound): Promise<readonly CorebusError[]> {
    const { names, declarer, registry } = this.#options
    const { topic, group } = bound
    const queue = names.work(topic, group)
    const wanted = new Set(bindingsOf(bound).map((binding) => JSON.stringify(bindEntry(bound, binding))))
    const gone: Binding[] = registry.known.flatMap((entry) =>
      entry.kind === 'bind' && entry.topic === topic && entry.group === group && !wanted.has(JSON.stringify(entry)) ? entry : [],
    )
    if (bound.source && registry.has({ kind: 'bound', topic, group }))
      for (const exchange of [names.groups(topic), names.topic(topic)]) for (const key of ['', '#']) gone.push({ exchange, key })
    const left: CorebusError[] = []
    for (const { exchange, key, arguments: args } of gone)
      try {
        await declarer.unlessMissing(async (channel) => ({ is: await channel.unbindQueue(queue, exchange, key, args) }))
      } catch (error) {
        if (!(error instanceof CorebusError) || error.code !== 'ACCESS_REFUSED') throw error
        left.push(stillBound(bound, { exchange, key }, error))
      }
    return left
  }

  async #toTopic({ topic, group }: Bound, mayCreate: boolean): Promise<boolean> {
    const { names, declarer, registry, remakeTopic } = this.#options
    const both = async (channel: Channel) => {
      await channel.bindQueue(names.work(topic, group), names.groups(topic), '')
      return { is: await declare(channel, topicBinding(names, topic)) }
    }
    const isGone = !(await declarer.unlessMissing(both))
    if (isGone) {
      await remakeTopic(topic)
      await declarer.run(both)
    }
    // Afterwards: until then nobody may take the topic for read. The first of them is for the builds before this one.
    if (mayCreate) await registry.add([{ kind: 'bound', topic, group }, boundEntry({ topic, group })])
    return isGone
  }

  async #toExchange(bound: Bound, mayCreate: boolean): Promise<void> {
    const { names, declarer, registry } = this.#options
    const wanted = bindingsOf(bound)
    if (mayCreate) await registry.add(wanted.map((binding) => bindEntry(bound, binding))).catch(unlessForbidden)
    for (const { exchange, key, arguments: args } of wanted) {
      const done = await declarer
        .unlessMissing(async (channel) => ({ is: await channel.bindQueue(names.work(bound.topic, bound.group), exchange, key, args) }))
        .catch((error: unknown) => {
          throw notBindable(bound, exchange, error)
        })
      if (!done) throw exchangeIsGone(bound, exchange)
    }
  }

  async #isWrittenDown(bound: Bound): Promise<boolean> {
    const { registry } = this.#options
    await registry.entries().catch(unlessForbidden)
    if (!bound.source) return registry.has(boundEntry(bound))
    return bindingsOf(bound).every((binding) => registry.has(bindEntry(bound, binding)))
  }
}

/** What its queue is bound to of others. */
export function bindingsOf({ source }: Bound): readonly Binding[] {
  if (!source || !('exchange' in source)) return []
  const { exchange, bind = '', arguments: args } = source
  if (args) return [{ exchange, key: '', arguments: args }]
  return [...new Set([bind].flat())].map((key) => ({ exchange, key }))
}

function bindEntry({ topic, group }: Bound, { exchange, key, arguments: args }: Binding): BindEntry {
  return { kind: 'bind', topic, group, exchange, key, ...(args && { arguments: args }) }
}

function keyOf({ topic, group }: Bound): string {
  return JSON.stringify([topic, group])
}

function boundEntry({ topic, group }: Pick<Bound, 'topic' | 'group'>): Entry {
  return { kind: 'bound', topic, group, by: 'groups' }
}

/** Who may not keep the list goes without it. */
export function unlessForbidden(error: unknown): undefined {
  if (error instanceof CorebusError && error.code === 'ACCESS_REFUSED') return undefined
  throw error
}

function exchangeIsGone({ topic, group }: Bound, exchange: string, andThen = ''): CorebusError {
  const reads = `group ${group} on topic ${topic} reads the exchange ${exchange}`
  return new CorebusError('SOURCE', `${reads}, which is not there (or its own queue is gone): declare it${andThen}`)
}

/** Its type takes other keys or arguments: it may have been made anew as another one. */
function notBindable({ topic, group }: Bound, exchange: string, error: unknown): unknown {
  if (!(error instanceof CorebusError) || error.code !== 'PRECONDITION_FAILED') return error
  const what = `group ${group} on topic ${topic} cannot have its queue bound to the exchange ${exchange} as from says`
  return new CorebusError('SOURCE', `${what}: ${error.message}. Say bind or arguments as the type of that exchange takes them`, {
    cause: error,
  })
}

function stillBound({ topic, group }: Bound, { exchange, key }: Binding, cause: CorebusError): CorebusError {
  const what = `the queue of group ${group} on topic ${topic} was bound to the exchange ${exchange} before, with the key "${key}", and still gets that`
  return new CorebusError('STILL_BOUND', `${what}: this user may not undo it (${cause.message}). Unbind it by hand`, { cause })
}

function notKnownToBeBound({ topic, group, source }: Bound, cause: CorebusError): CorebusError {
  const to = source && 'exchange' in source ? `the exchange ${source.exchange}` : `topic ${topic}`
  const what = `the queue of group ${group} is not known to be bound to ${to}, and may not be bound by this user: it would be ready and get nothing`
  const how = "Let this user write to the queue and read the exchange, or start it once with topology: 'create' as one who may"
  return new CorebusError('TOPOLOGY', `${what}. ${how} (${cause.message})`, { cause })
}
