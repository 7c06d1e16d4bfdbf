import type { Clock } from '../../clock.ts'
import type { Message } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import type { PublishCall } from '../pending.ts'
import { isForGood, notMadeHere, refusalOf } from './failure.ts'
import type { Names } from './names.ts'
import type { Nodes } from './nodes.ts'
import { Publisher } from './publisher.ts'
import type { Retention } from './retention.ts'
import type { Topology } from './topology.ts'

export interface PublishersOptions {
  readonly nodes: Nodes
  readonly names: Names
  readonly clock: Clock
  readonly where: string
  readonly topology: Topology
  readonly retention: Retention
  readonly onBlocked: (error: Error | undefined) => void
}

/** One publisher a topic, so that a stream that takes nothing holds up no other. */
export class Publishers {
  readonly #options: PublishersOptions
  readonly #publishers = new Map<string, Publisher>()

  constructor(options: PublishersOptions) {
    this.#options = options
  }

  /** Never rejects: what cannot be published is told to the call. */
  async publish(messages: readonly Message[], call: PublishCall): Promise<void> {
    const { topology, where } = this.#options
    const refused = new Map<string, CorebusError>()
    let last: string | undefined
    for (const { topic } of messages) {
      if (topic === last) continue
      last = topic
      // Without a wait where there is nothing to wait for: calls that overlap keep their order.
      if (topology.topic(topic) === undefined && !this.#isFull(topic)) continue
      await this.#mayTake(topic, call).catch((error: unknown) => refused.set(topic, refusalOf(error, where)))
    }
    for (const message of messages) {
      const cause = refused.get(message.topic)
      if (cause) call.ended(message, { permanent: isForGood(cause), cause })
      else this.#to(message.topic).publish(message, call)
    }
  }

  trouble(topic: string): Error | undefined {
    return this.#publishers.get(topic)?.trouble
  }

  /** Sends what waits: there is a connection again. */
  pump(): void {
    for (const publisher of this.#publishers.values()) publisher.pump()
  }

  /** Resolves when nothing is pending. */
  async flush(): Promise<void> {
    await Promise.all([...this.#publishers.values()].map((publisher) => publisher.flush()))
  }

  /** What is pending fails now, and so does what comes. */
  close(error: Error): void {
    for (const publisher of this.#publishers.values()) publisher.close(error)
  }

  #to(topic: string): Publisher {
    const known = this.#publishers.get(topic)
    if (known) return known
    const { nodes, names, clock, topology, onBlocked } = this.#options
    const stream = names.stream(topic)
    const made = new Publisher({
      nodes,
      clock,
      stream,
      declared: names.declared(stream),
      mayMake: () => topology.mayMake,
      notMade: () => notMadeHere(topic, stream),
      onGone: () => topology.forget(topic),
      onBlocked,
    })
    this.#publishers.set(topic, made)
    return made
  }

  #isFull(topic: string): boolean {
    return this.#options.retention.isFull(topic, this.#to(topic).published)
  }

  /** @throws what keeps the topic from taking messages. */
  async #mayTake(topic: string, call: PublishCall): Promise<void> {
    const { topology, retention } = this.#options
    await topology.topic(topic)
    call.throwIfLate()
    if (this.#isFull(topic))
      throw new CorebusError(
        'TOPIC_FULL',
        `nobody reads ${topic}, and ${retention.unclaimedMessages} messages wait there: start its consumer, or stop publishing`,
      )
  }
}
