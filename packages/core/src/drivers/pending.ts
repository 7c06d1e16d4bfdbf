import { type Clock, monotonic } from '../clock.ts'
import { type Awaited, Pending } from '../collections/pending.ts'
import { CorebusError, PublishError, type PublishFailure } from '../errors.ts'

/** Why a message could not be stored, and whether trying again can help. */
export type Failure = Omit<PublishFailure, 'id'>

/** Whoever published. It is told of each message once: without a failure when the broker has it. */
export interface Waiter<E = { readonly id: string }> {
  readonly deadline: number
  ended(entry: E, failure: Failure | undefined): void
}

/** A message that a driver was given and that is not confirmed yet. */
export interface PendingMessage extends Awaited {
  readonly id: string
  readonly bytes: number
  readonly waiter: Waiter<never>
  /** Counts up in publish order. */
  n: number
}

export interface PendingMessagesOptions<E> {
  readonly clock: Clock
  /** What keeps a message from being confirmed, where that is known. */
  readonly trouble: (entry: E) => Error | undefined
  /** Some have expired: they leave room for others. */
  readonly onExpired?: () => void
}

/** The messages of one publisher that are not confirmed yet, in publish order. Each fails at its deadline at the latest, and is not sent after that. */
export class PendingMessages<E extends PendingMessage> {
  readonly #options: PendingMessagesOptions<E>
  readonly #pending: Pending<E>
  #count = 0
  #closed: Error | undefined

  constructor(options: PendingMessagesOptions<E>) {
    this.#options = options
    this.#pending = new Pending({ clock: options.clock, onExpired: (entries) => this.#expire(entries) })
  }

  get size(): number {
    return this.#pending.size
  }

  /** How many there have been. */
  get count(): number {
    return this.#count
  }

  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  /** False when it has failed at once. */
  add(entry: E): boolean {
    entry.n = this.#count++
    this.#pending.add(entry)
    if (this.#closed) this.end(entry, { permanent: false, cause: this.#closed })
    return !entry.over
  }

  end(entry: E, failure?: Failure): void {
    if (this.#pending.end(entry)) (entry.waiter as Waiter<E>).ended(entry, failure)
  }

  /** Resolves when nothing is pending. */
  flush(): Promise<void> {
    return this.#pending.atRest()
  }

  /** What is pending fails now, and so does what comes. */
  close(error: Error): void {
    this.#closed = error
    this.#pending.stop()
    for (let entry = this.#pending.first; entry; entry = this.#pending.first) this.end(entry, { permanent: false, cause: error })
  }

  #expire(entries: readonly E[]): void {
    const { trouble, onExpired } = this.#options
    for (const entry of entries) this.end(entry, { permanent: false, cause: unconfirmed(trouble(entry)) })
    onExpired?.()
  }
}

/** For a driver's own copies. Whoever publishes through the core is told by the core, at the same deadline. */
function unconfirmed(trouble: Error | undefined): CorebusError {
  const why = trouble ? `: ${trouble.message}` : ''
  return new CorebusError('PUBLISH_TIMEOUT', `no confirm in time${why}; the message may still be on the broker`, { cause: trouble })
}

/** One call of a driver's `publish`, until each of its messages is stored or has failed. */
export class PublishCall implements Waiter {
  readonly deadline: number
  readonly #clock: Clock
  readonly #end = Promise.withResolvers<void>()
  #left: number
  #failures: PublishFailure[] | undefined

  constructor({ messages, clock, withinMs }: { readonly messages: number; readonly clock: Clock; readonly withinMs: number }) {
    this.#left = messages
    this.#clock = clock
    this.deadline = monotonic(clock) + withinMs
  }

  /** Resolves when all are stored. @throws PublishError naming those that are not */
  get stored(): Promise<void> {
    return this.#end.promise
  }

  /** @throws CorebusError PUBLISH_TIMEOUT: nothing of it may be sent any more. For whoever has waited before a message could be sent. */
  throwIfLate(): void {
    if (monotonic(this.#clock) >= this.deadline) throw unconfirmed(undefined)
  }

  ended({ id }: { readonly id: string }, failure: Failure | undefined): void {
    if (failure) {
      this.#failures ??= []
      this.#failures.push({ id, ...failure })
    }
    if (--this.#left > 0) return
    if (this.#failures) this.#end.reject(new PublishError(this.#failures))
    else this.#end.resolve()
  }
}

/** Publishes one message and resolves with its entry when the broker has it. @throws the cause of its failure */
export function storeOne<E>(deadline: number, publish: (waiter: Waiter<E>) => void): Promise<E> {
  return new Promise((resolve, reject) =>
    publish({ deadline, ended: (entry, failure) => (failure ? reject(failure.cause) : resolve(entry)) }),
  )
}
