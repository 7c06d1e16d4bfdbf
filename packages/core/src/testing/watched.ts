import type { DeadLetter, Driver, Message } from '../driver.ts'

/** The listener that is told of the broker under an instance. */
export interface Watch {
  /** The broker has it. */
  onPublish(message: Message): void
  /** This instance reads the topics for the group. */
  onSubscribe(group: string, topics: readonly string[]): void
  /** Something was handed out or settled. */
  onMove(): void
  /** Dead letters were handed back or purged: these are left. */
  onLetters(left: readonly DeadLetter[]): void
}

/**
 * The driver, telling what passes through it, and with `pace` handing out to each group at another time than to others. Its members do not know each other: they are those of one process and one version, and what they tell
 * each other every few seconds would be all that happens while a test lets time pass.
 */
export function watched(driver: Driver, watch: Watch, pace?: () => Promise<void>): Driver {
  const { members: _, admin, ...rest } = driver
  return {
    ...rest,
    capabilities: { ...driver.capabilities, members: false },
    admin: {
      ...admin,
      async replay(filter, headers, pace) {
        const replayed = await admin.replay(filter, headers, pace)
        watch.onMove()
        watch.onLetters((await admin.deadLetters({})).letters)
        return replayed
      },
      async purge(filter) {
        const purged = await admin.purge(filter)
        watch.onLetters((await admin.deadLetters({})).letters)
        return purged
      },
    },
    async publish(messages, options) {
      await driver.publish(messages, options)
      for (const message of messages) watch.onPublish(message)
    },
    async subscribe(options) {
      watch.onSubscribe(options.group, options.topics)
      let paced = Promise.resolve()
      const subscription = await driver.subscribe({
        ...options,
        onDeliveries(deliveries) {
          watch.onMove()
          if (pace) paced = paced.then(pace).then(() => options.onDeliveries(deliveries))
          else options.onDeliveries(deliveries)
        },
      })
      return {
        ...subscription,
        async stop() {
          await subscription.stop()
          await paced
        },
        async settle(settlements) {
          await subscription.settle(settlements)
          watch.onMove()
        },
      }
    },
  }
}
