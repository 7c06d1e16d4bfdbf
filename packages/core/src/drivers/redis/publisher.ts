import { type Clock, real } from '../../clock.ts'
import type { Message } from '../../driver.ts'
import { asError } from '../../errors.ts'
import { type PendingMessage, PendingMessages, type Waiter } from '../pending.ts'
import { SendWindow } from '../send-window.ts'
import { once } from './doubts.ts'
import { blocked, isBlocked, isLost, isTemporary, refusalOf } from './failure.ts'
import type { Argument, Link } from './link.ts'
import type { Nodes } from './nodes.ts'
import { publishOnce } from './scripts/topic.ts'
import { toFields } from './wire.ts'

export interface PublisherOptions {
  readonly nodes: Nodes
  readonly stream: string
  /** The key that remembers who made the stream. */
  readonly declared: string
  readonly clock: Clock
  /** Whether the stream is made again when it is not there. */
  readonly mayMake: () => boolean
  /** What it is told where it is not. */
  readonly notMade: () => Error
  /** The stream is not there any more. */
  readonly onGone: () => void
  /** Redis takes no writes now; undefined when it does again. */
  readonly onBlocked: (error: Error | undefined) => void
}

interface Entry extends PendingMessage {
  readonly message: Message
}

/** More in flight is not faster, and a lost connection leaves that many in doubt. */
const IN_FLIGHT = 1_024
const IN_FLIGHT_BYTES = 16 * 1024 * 1024
const AGAIN_MS = 100

/**
 * Publishes to one stream, in order, one command a message and many in flight. What a lost connection leaves in doubt is published again unless
 * it is there, until its deadline. So is what met no stream, by a script that makes one and notes that it is ours.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #pending: PendingMessages<Entry>
  readonly #window = new SendWindow<Entry>({ messages: IN_FLIGHT, bytes: IN_FLIGHT_BYTES })
  /** May be there or not. Nothing else is sent before that is known. */
  #doubtful: Entry[] = []
  #resolving = false
  /** What is looked through for what is in doubt begins here. */
  #since = ''
  #link: Link | undefined
  #trouble: Error | undefined
  #pausing = false

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#pending = new PendingMessages({
      clock: options.clock,
      trouble: () => this.#trouble,
      // While Redis is away nothing leaves the line, and what has expired has made room for more.
      onExpired: () => this.#window.dropOver(),
    })
  }

  /** So many were given to it. */
  get published(): number {
    return this.#pending.count
  }

  /** Why nothing is confirmed now, where that is known. */
  get trouble(): Error | undefined {
    return this.#trouble
  }

  /** Its waiter is told once: without a failure when Redis has the message, otherwise at the latest at its deadline. */
  publish(message: Message, waiter: Waiter): void {
    const { id, body } = message
    const entry: Entry = {
      id,
      bytes: body.length,
      deadline: waiter.deadline,
      waiter,
      n: 0,
      over: false,
      message,
      previous: undefined,
      next: undefined,
    }
    if (!this.#pending.add(entry)) return
    this.#window.push(entry)
    this.pump()
  }

  /** Sends what it may. Also for whoever knows that there is a connection again. */
  pump(): void {
    if (this.#pending.size === 0 || this.#pausing) return
    const link = this.#options.nodes.of(this.#options.stream)
    if (!link.isUp) return
    if (this.#doubtful.length > 0) {
      if (this.#window.isIdle) void this.#resolveDoubts() // never rejects
      return
    }
    if (this.#link !== link || this.#since === '') this.#since = link.hello.since
    this.#link = link
    for (let entry = this.#window.next(); entry; entry = this.#window.next()) {
      this.#window.shift()
      this.#send(link, entry)
    }
  }

  /** Resolves when nothing is pending. */
  flush(): Promise<void> {
    return this.#pending.flush()
  }

  /** What is pending fails now, and so does what comes. */
  close(error: Error): void {
    this.#pending.close(error)
  }

  #send(link: Link, entry: Entry, fields: readonly Argument[] = toFields(entry.message)): void {
    this.#window.sent(entry)
    link.send(['XADD', this.#options.stream, 'NOMKSTREAM', '*', ...fields]).then(
      (id) => {
        this.#window.answered(entry)
        if (id === null) {
          this.#doubtful.push(entry)
          this.#options.onGone()
        } else {
          this.#since = `(${String(id)}`
          if (this.#trouble) this.#recovered()
          this.#pending.end(entry)
        }
        if (this.#window.isWaiting || this.#doubtful.length > 0) this.pump()
      },
      (thrown: unknown) => this.#failed(link, entry, asError(thrown)),
    )
  }

  #failed(link: Link, entry: Entry, error: Error): void {
    this.#window.answered(entry)
    this.#note(error, link)
    if (!isTemporary(error)) {
      this.#pending.end(entry, { permanent: true, cause: refusalOf(error, link.where) })
      this.pump()
      return
    }
    if (isLost(error)) this.#doubtful.push(entry)
    else {
      // It was not done. What was sent behind it has most likely met the same.
      this.#options.nodes.noteFailure(link, error)
      this.#window.again([entry])
      this.#pause()
    }
    // There may be a connection already.
    if (this.#window.isIdle) real.queueMicrotask(() => this.pump())
  }

  /** What was in flight when a connection was lost, or met no stream. */
  async #resolveDoubts(): Promise<void> {
    if (this.#resolving) return
    this.#resolving = true
    const { nodes, stream, declared, mayMake, notMade } = this.#options
    const left = this.#doubtful.filter(({ over }) => !over)
    const { batch, wide, args } = once(left)
    try {
      const found = batch.length > 0 && (await nodes.run(publishOnce, [stream, declared], [mayMake() ? '1' : '0', this.#since, ...args]))
      this.#doubtful = left.slice(batch.length)
      if (this.#trouble) this.#recovered()
      if (found === 'missing') for (const entry of batch) this.#pending.end(entry, { permanent: true, cause: notMade() })
      else if (wide && found === '') this.#send(nodes.of(stream), batch[0] as Entry, wide)
      else for (const entry of batch) this.#pending.end(entry)
    } catch (thrown) {
      const error = asError(thrown)
      const link = nodes.of(stream)
      this.#note(error, link)
      if (isTemporary(error)) this.#pause()
      else {
        this.#doubtful = left.slice(batch.length)
        for (const entry of batch) this.#pending.end(entry, { permanent: true, cause: refusalOf(error, link.where) })
      }
    } finally {
      this.#resolving = false
    }
    this.pump()
  }

  #pause(): void {
    this.#pausing = true
    this.#options.clock.after(AGAIN_MS, () => {
      this.#pausing = false
      this.pump()
    })
  }

  #note(error: Error, { where }: Link): void {
    const { onBlocked } = this.#options
    if (!isBlocked(error)) {
      this.#trouble ??= error
      return
    }
    this.#trouble = blocked(error, where)
    onBlocked(this.#trouble)
  }

  #recovered(): void {
    this.#trouble = undefined
    this.#options.onBlocked(undefined)
  }
}
