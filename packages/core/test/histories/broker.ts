import type { Clock, Delivery, Driver, DriverOptions, Settlement, SubscribeOptions, Subscription } from '../../src/driver.ts'
import type { Broker } from '../../src/drivers/memory/broker.ts'
import { memoryDriverOn } from '../../src/drivers/memory/driver.ts'
import type { Ledger } from './ledger.ts'
import type { Owner } from './store.ts'

export interface LinkOptions {
  readonly member: Owner
  /** The broker's clock: it goes on when a member is dead. */
  readonly clock: Clock
  /** All members of a history share it. */
  readonly broker: Broker
  readonly ledger: Ledger
}

/**
 * A member's connection: the memory driver, whose every answer takes until the history says so. It counts like a durable broker what was handed out and never
 * settled, and tells the ledger what it has stored, handed out and settled.
 */
export class Link {
  readonly driver: Driver
  readonly #options: LinkOptions
  readonly #given: DriverOptions
  #inner: Driver
  readonly #held = new Map<unknown, Delivery>()
  /** The callbacks of the subscriptions for a connection that is lost. */
  readonly #losing = new Set<() => void>()

  constructor(options: LinkOptions, given: DriverOptions) {
    this.#options = options
    this.#given = given
    this.#inner = this.#connected()
    const { member } = options
    const { capabilities, admin, members } = this.#inner
    this.driver = {
      name: 'memory',
      capabilities,
      admin,
      ...(members && { members }),
      connect: (onState) => this.#inner.connect(onState),
      ensure: (topology, mode) => this.#inner.ensure(topology, mode),
      publish: async (messages) => {
        await member.turn('publishes')
        for (const message of messages) await this.#publish(message)
        await member.turn('has published')
      },
      subscribe: (subscribe) => this.#subscribe(subscribe),
      tail: (tail) => this.#inner.tail(tail),
      close: async () => {
        this.#take()
        this.#losing.clear()
        await this.#inner.close()
      },
    }
  }

  /** The connection is lost: what was handed out goes to whoever is there. It comes back by itself. */
  lose(): void {
    const before = this.#inner
    this.#inner = this.#connected()
    for (const lose of this.#losing) lose()
    void before.close()
  }

  /** Its process is dead. */
  die(): void {
    this.#count()
    void this.#inner.close()
  }

  #connected(): Driver {
    const { broker, clock } = this.#options
    const driver = memoryDriverOn(broker, { ...this.#given, clock })
    // Nobody waits for it: the memory driver is connected at once.
    void driver.connect(() => {})
    return driver
  }

  async #publish(message: Parameters<Driver['publish']>[0][number]): Promise<void> {
    const { ledger } = this.#options
    if (message.topic === 'in') await this.#inner.publish([ledger.stored(message)])
    else ledger.follows(Number(message.headers.run), message.id)
  }

  /** Nothing that was handed out is this member's any more. */
  #take(): readonly Delivery[] {
    const taken = [...this.#held.values()]
    this.#held.clear()
    for (const { message } of taken) this.#options.ledger.copyOf(message).holder = undefined
    return taken
  }

  /** The same where nobody has handed it back: the broker counts it. */
  #count(): readonly Delivery[] {
    const taken = this.#take()
    for (const { message } of taken) this.#options.ledger.copyOf(message).unsettled++
    return taken
  }

  async #subscribe(given: SubscribeOptions): Promise<Subscription> {
    const { member, ledger } = this.#options
    let { limit } = given
    let [isStopped, isAway] = [false, false]

    const onDeliveries = (deliveries: readonly Delivery[]): void => {
      const ours = deliveries.map((delivery) => ({ ...delivery, unsettledBefore: ledger.copyOf(delivery.message).unsettled }))
      for (const delivery of ours) {
        this.#held.set(delivery.receipt, delivery)
        ledger.handedOut(delivery, member.name)
      }
      given.onDeliveries(ours)
    }
    const subscribe = (): Promise<Subscription> => this.#inner.subscribe({ ...given, limit, onDeliveries, onState: () => undefined })
    const comeBack = async (): Promise<void> => {
      await member.turn('connects')
      isAway = false
      if (isStopped) return
      subscription = await subscribe()
      given.onState({ kind: 'consuming' })
    }
    this.#losing.add(() => {
      given.onState({ kind: 'reconnecting', error: new Error('the connection is lost') })
      given.onLost(this.#count())
      if (!isAway) void comeBack()
      isAway = true
    })
    let subscription = await subscribe()
    given.onState({ kind: 'consuming' })
    return {
      settle: async (settlements) => {
        await member.turn('settles')
        this.#settled(settlements)
        await subscription.settle(settlements)
        await member.turn('has settled')
      },
      limit(deliveries) {
        limit = deliveries
        subscription.limit(deliveries)
      },
      async stop() {
        isStopped = true
        await subscription.stop()
      },
    }
  }

  /** Tells the ledger what is settled. A delivery that was taken from the member meanwhile is skipped, by the memory driver as well. */
  #settled(settlements: readonly Settlement[]): void {
    for (const settlement of settlements) if (this.#held.delete(settlement.delivery.receipt)) this.#options.ledger.settles(settlement)
  }
}
