import { monotonic, real } from '../../clock.ts'
import type { Clock, Message } from '../../driver.ts'
import { asError, CorebusError } from '../../errors.ts'
import { blocked, isBlocked, isLost, isTemporary, refusalOf } from './failure.ts'
import type { Argument, Link } from './link.ts'
import type { Nodes } from './nodes.ts'
import { MOST_VALUES } from './scripts/common.ts'
import { publishOnce } from './scripts/topic.ts'
import { toFields } from './wire.ts'

export interface PublisherOptions {
  readonly nodes: Nodes
  readonly stream: string
  /** The key that remembers who made the stream. */
  readonly declared: string
  readonly clock: Clock
  readonly timeoutMs: number
  /** The stream is not there any more. */
  readonly onGone: () => void
  /** Redis takes no writes now; undefined when it does again. */
  readonly onBlocked: (error: Error | undefined) => void
}

export interface Failure {
  readonly permanent: boolean
  readonly cause: Error
}

interface Entry {
  /** Publish order, which is the order on the stream. */
  readonly n: number
  readonly message: Message
  readonly deadline: number
  readonly done: (failure: Failure | undefined) => void
  over: boolean
}

/** More in flight is not faster, and a lost connection leaves that many in doubt. */
const IN_FLIGHT = 1_024
const IN_FLIGHT_BYTES = 16 * 1024 * 1024
/** In one script, which nobody else's commands get between. */
const ONCE_AT_MOST = 200
const ONCE_BYTES = 4 * 1024 * 1024
const AGAIN_MS = 100

/**
 * Publishes to one stream, in order, one command a message and many in flight. What a lost connection leaves in doubt is published again unless
 * it is there, until its deadline. So is what met no stream, by a script that makes one and notes that it is ours.
 */
export class Publisher {
  readonly #options: PublisherOptions
  /** Everything that is not over, in the order of its deadline. */
  readonly #open = new Set<Entry>()
  readonly #inFlight = new Set<Entry>()
  #waiting: Entry[] = []
  #gone = 0
  /** May be there or not. Nothing else is sent before that is known. */
  #doubtful: Entry[] = []
  #resolving = false
  #bytes = 0
  #published = 0
  /** What is looked through for what is in doubt begins here. */
  #since = ''
  #link: Link | undefined
  #trouble: Error | undefined
  #pausing = false
  #closed: Error | undefined
  #cancelTimer: (() => void) | undefined
  #idle: (() => void)[] = []

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** So many were given to it. */
  get published(): number {
    return this.#published
  }

  /** `done` is called once: without a failure when Redis has the message, otherwise at the latest after the time-out. */
  publish(message: Message, done: Entry['done']): void {
    if (this.#closed) {
      done({ permanent: false, cause: this.#closed })
      return
    }
    const deadline = monotonic(this.#options.clock) + this.#options.timeoutMs
    const entry: Entry = { n: this.#published++, message, deadline, done, over: false }
    this.#open.add(entry)
    this.#waiting.push(entry)
    if (!this.#cancelTimer) this.#arm()
    this.pump()
  }

  /** Sends what it may. Also for whoever knows that there is a connection again. */
  pump(): void {
    if (this.#open.size === 0 || this.#pausing) return
    const link = this.#options.nodes.of(this.#options.stream)
    if (!link.isUp) return
    if (this.#doubtful.length > 0) {
      if (this.#inFlight.size === 0) void this.#resolveDoubts() // never rejects
      return
    }
    if (this.#link !== link || this.#since === '') this.#since = link.hello.since
    this.#link = link
    while (this.#gone < this.#waiting.length) {
      if (this.#inFlight.size >= IN_FLIGHT || (this.#bytes >= IN_FLIGHT_BYTES && this.#inFlight.size > 0)) return
      const entry = this.#waiting[this.#gone++] as Entry
      if (!entry.over) this.#send(link, entry)
    }
    this.#waiting = []
    this.#gone = 0
  }

  /** Resolves when nothing is pending. */
  flush(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** What is pending fails now, and so does what comes. */
  close(error: Error): void {
    this.#closed = error
    for (const entry of this.#open) this.#end(entry, { permanent: false, cause: error })
    this.#cancelTimer?.()
  }

  #send(link: Link, entry: Entry, fields: readonly Argument[] = toFields(entry.message)): void {
    this.#inFlight.add(entry)
    this.#bytes += entry.message.body.length
    link.send(['XADD', this.#options.stream, 'NOMKSTREAM', '*', ...fields]).then(
      (id) => {
        this.#arrived(entry)
        if (id === null) {
          this.#doubtful.push(entry)
          this.#options.onGone()
        } else {
          this.#since = `(${String(id)}`
          if (this.#trouble) this.#recovered()
          this.#end(entry, undefined)
        }
        if (this.#gone < this.#waiting.length || this.#doubtful.length > 0) this.pump()
      },
      (thrown: unknown) => this.#failed(link, entry, asError(thrown)),
    )
  }

  #arrived(entry: Entry): void {
    this.#inFlight.delete(entry)
    this.#bytes -= entry.message.body.length
  }

  #failed(link: Link, entry: Entry, error: Error): void {
    const { nodes, clock } = this.#options
    this.#arrived(entry)
    this.#note(error, link)
    if (!isTemporary(error)) {
      this.#end(entry, { permanent: true, cause: refusalOf(error, link.where) })
      this.pump()
      return
    }
    if (isLost(error)) this.#doubtful.push(entry)
    else {
      // It was not done. What was sent behind it has most likely met the same.
      nodes.noteFailure(link, error)
      this.#waiting = [entry, ...this.#waiting.slice(this.#gone)].sort((a, b) => a.n - b.n)
      this.#gone = 0
      this.#pausing = true
      clock.after(AGAIN_MS, () => {
        this.#pausing = false
        this.pump()
      })
    }
    // There may be a connection already.
    if (this.#inFlight.size === 0) real.queueMicrotask(() => this.pump())
  }

  /** What was in flight when a connection was lost, or met no stream. */
  async #resolveDoubts(): Promise<void> {
    if (this.#resolving) return
    this.#resolving = true
    const { nodes, stream, declared, clock } = this.#options
    const left = this.#doubtful.filter(({ over }) => !over)
    const batch: Entry[] = []
    const args: Argument[] = []
    let wide: readonly Argument[] | undefined
    for (let bytes = 0; batch.length < left.length && batch.length < ONCE_AT_MOST && bytes < ONCE_BYTES && !wide; ) {
      const entry = left[batch.length] as Entry
      const fields = toFields(entry.message)
      // Alone: the script only looks for it.
      if (fields.length > MOST_VALUES) {
        if (batch.length > 0) break
        wide = fields
        args.push(entry.message.id, '0')
      } else args.push(entry.message.id, String(fields.length), ...fields)
      batch.push(entry)
      bytes += entry.message.body.length
    }
    try {
      const found = batch.length > 0 && (await nodes.run(publishOnce, [stream, declared], [this.#since, String(batch.length), ...args]))
      this.#doubtful = left.slice(batch.length)
      if (this.#trouble) this.#recovered()
      if (wide && found === '') this.#send(nodes.of(stream), batch[0] as Entry, wide)
      else for (const entry of batch) this.#end(entry, undefined)
    } catch (thrown) {
      const error = asError(thrown)
      const link = nodes.of(stream)
      this.#note(error, link)
      if (isTemporary(error)) {
        this.#pausing = true
        clock.after(AGAIN_MS, () => {
          this.#pausing = false
          this.pump()
        })
      } else {
        this.#doubtful = left.slice(batch.length)
        for (const entry of batch) this.#end(entry, { permanent: true, cause: refusalOf(error, link.where) })
      }
    } finally {
      this.#resolving = false
    }
    this.pump()
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

  #end(entry: Entry, failure: Failure | undefined): void {
    if (entry.over) return
    entry.over = true
    this.#open.delete(entry)
    entry.done(failure)
    if (this.#open.size > 0) return
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  #arm(): void {
    const [first] = this.#open
    const { clock } = this.#options
    this.#cancelTimer = first && clock.after(Math.max(first.deadline - monotonic(clock), 1), () => this.#expire())
  }

  #expire(): void {
    const { clock, timeoutMs } = this.#options
    const now = monotonic(clock)
    for (const entry of this.#open) {
      if (entry.deadline > now) break
      const why = this.#trouble
      const text = `no answer within ${timeoutMs} ms; the message may still be on the broker${why ? ` (${why.message})` : ''}`
      this.#end(entry, { permanent: false, cause: new CorebusError('PUBLISH_TIMEOUT', text, { cause: why }) })
    }
    // While Redis is away nothing leaves the line, and what has timed out has made room for more.
    this.#waiting = this.#waiting.slice(this.#gone).filter((entry) => !entry.over)
    this.#gone = 0
    if (!this.#closed) this.#arm()
  }
}
