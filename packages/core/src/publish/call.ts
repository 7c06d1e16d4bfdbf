import type { Message } from '../driver.ts'
import { PublishError, type PublishFailure } from '../errors.ts'
import type { Awaited } from '../pending.ts'

/** One caller's messages, until each is confirmed or has failed. */
export class Call implements Awaited {
  readonly messages: readonly Message[]
  readonly deadline: number
  readonly confirmed: Promise<void>
  over = false
  /** Handed to a driver: from then on the broker may have it. */
  sent = false
  readonly #resolve: () => void
  readonly #reject: (error: Error) => void
  /** What is confirmed or has failed; not kept for a single message. */
  readonly #done: Set<Message> | undefined
  #left: number
  #failures: PublishFailure[] | undefined

  constructor(messages: readonly Message[], deadline: number) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.messages = messages
    this.deadline = deadline
    this.confirmed = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#left = messages.length
    this.#done = messages.length === 1 ? undefined : new Set()
  }

  /** Whether that was the last one. */
  answered(message: Message, failure: PublishFailure | undefined): boolean {
    if (failure) {
      this.#failures ??= []
      this.#failures.push(failure)
    }
    this.#done?.add(message)
    return --this.#left === 0
  }

  /** Tells the caller what was answered. */
  end(): void {
    if (this.#failures) this.#reject(new PublishError(this.#failures))
    else this.#resolve()
  }

  /** Tells the caller that what was not answered has failed. */
  expire(causeFor: (topic: string) => Error): void {
    const waiting = this.messages.filter((message) => !this.#done?.has(message))
    const failures = waiting.map(({ id, topic }) => ({ id, permanent: false, cause: causeFor(topic) }))
    this.#reject(new PublishError([...(this.#failures ?? []), ...failures], 'PUBLISH_TIMEOUT'))
  }
}
