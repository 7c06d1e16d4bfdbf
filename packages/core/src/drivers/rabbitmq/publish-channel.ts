import type { ChannelModel, ConfirmChannel, Message } from 'amqplib'
import type { Clock } from '../../clock.ts'
import { monotonic } from '../../clock.ts'
import { asError, CorebusError } from '../../errors.ts'
import { corkFor } from './cork.ts'
import { type Failure, failureOf, type Refusal, refusalOf, tooLargeFor } from './failure.ts'
import { type Refusable, RefusedLines } from './refused-lines.ts'
import { placeOf, type Target } from './target.ts'
import type { Outgoing } from './wire.ts'

export interface PublishChannelOptions {
  readonly clock: Clock
  readonly timeoutMs: number
}

export type Done = (failure: Failure | undefined) => void

interface Entry extends Outgoing, Refusable {
  readonly target: Target
  readonly deadline: number
  readonly done: Done
  tries: number
  returned: boolean
  over: boolean
}

/**
 * More in flight is not faster, and a lost connection leaves that many in doubt. The broker reads nothing more from a connection once a channel of it
 * holds up 200 to 400 messages.
 */
const IN_FLIGHT = 200
const IN_FLIGHT_BYTES = 16 * 1024 * 1024
/** How often a message is sent whose place is gone, or for which the broker closes the channel. */
const MOST_TRIES = 5
const CHANNEL_AGAIN_MS = 100

/**
 * One channel that publishes with a confirm per message, in order. What a lost connection or channel leaves unconfirmed is published again, with the same id,
 * until its deadline: it may be there twice, and is never lost in silence.
 */
export class PublishChannel {
  readonly #options: PublishChannelOptions
  readonly #inFlight = new Set<Entry>()
  /** Everything that is not over, in the order of its deadline. */
  readonly #open = new Set<Entry>()
  readonly #refused: RefusedLines<Entry>
  #waiting: Entry[] = []
  /** How many of `#waiting` have gone: shifting a long array costs. */
  #gone = 0
  #bytes = 0
  #model: ChannelModel | undefined
  #channel: ConfirmChannel | undefined
  #cork: () => void = () => {}
  #opening = false
  #congested = false
  #blocked: Error | undefined
  #trouble: Error | undefined
  #closed: Error | undefined
  #cancelTimer: (() => void) | undefined
  #idle: (() => void)[] = []

  constructor(options: PublishChannelOptions) {
    this.#options = options
    this.#refused = new RefusedLines({
      clock: options.clock,
      fail: (entry, cause) => this.#end(entry, { permanent: false, cause }),
      resend: (entries) => this.#first([...this.#open].filter((entry) => entries.has(entry))),
    })
  }

  /** `done` is called once: without a failure when the broker has the message, otherwise at the latest after the time-out. */
  publish(target: Target, { body, properties }: Outgoing, done: Done): void {
    if (this.#closed) {
      done({ permanent: false, cause: this.#closed })
      return
    }
    const deadline = monotonic(this.#options.clock) + this.#options.timeoutMs
    const entry: Entry = {
      target,
      body,
      properties,
      deadline,
      done,
      tries: 0,
      refusals: 0,
      refused: undefined,
      returned: false,
      over: false,
    }
    this.#open.add(entry)
    this.#waiting.push(entry)
    if (!this.#cancelTimer) this.#arm()
    this.#pump()
  }

  up(model: ChannelModel): void {
    this.#model = model
    this.#cork = corkFor(model)
    this.#blocked = undefined
    void this.#openChannel(model) // never rejects
  }

  down(error: Error): void {
    this.#model = undefined
    this.#trouble = error
    this.#blocked = undefined
  }

  block(error: Error | undefined): void {
    this.#blocked = error
    if (!error) this.#pump()
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

  async #openChannel(model: ChannelModel): Promise<void> {
    if (this.#opening || this.#closed) return
    this.#opening = true
    try {
      const channel = await model.createConfirmChannel()
      const lost: { cause?: Error } = {}
      channel.on('error', (error: Error) => {
        lost.cause = error
      })
      channel.on('return', (message: Message) => this.#returned(message))
      channel.on('drain', () => {
        this.#congested = false
        this.#pump()
      })
      // The client's own listener comes first: by now every callback has been called.
      channel.on('close', () => this.#lostChannel(channel, lost.cause))
      this.#channel = channel
      this.#congested = false
    } catch {
      // The connection is gone, or as good as: the next one brings a channel.
      if (this.#model === model) this.#options.clock.after(CHANNEL_AGAIN_MS, () => this.#reopen())
    } finally {
      this.#opening = false
    }
    this.#pump()
  }

  #reopen(): void {
    if (this.#model && !this.#channel) void this.#openChannel(this.#model) // never rejects
  }

  #pump(): void {
    const channel = this.#channel
    if (!channel || this.#blocked) return
    while (this.#gone < this.#waiting.length && !this.#congested) {
      if (this.#inFlight.size >= IN_FLIGHT || (this.#bytes >= IN_FLIGHT_BYTES && this.#inFlight.size > 0)) return
      const entry = this.#waiting[this.#gone] as Entry
      if (!entry.over && !this.#refused.takes(entry) && !this.#send(channel, entry)) return
      this.#gone++
    }
    if (this.#gone < this.#waiting.length) return
    this.#waiting = []
    this.#gone = 0
  }

  /** False when the channel is closed. */
  #send(channel: ConfirmChannel, entry: Entry): boolean {
    const { target, body, properties } = entry
    // One message alone has nothing to wait for.
    if (this.#inFlight.size > 0) this.#cork()
    try {
      const room = channel.publish(target.exchange, target.routingKey, body, properties, (error) => this.#confirmed(channel, entry, error))
      if (!room) this.#congested = true
    } catch (thrown) {
      if (asError(thrown).name === 'IllegalOperationError') return false
      // It cannot be written at all.
      this.#end(entry, { permanent: true, cause: tooLargeFor(asError(thrown)) })
      return true
    }
    entry.returned = false
    this.#inFlight.add(entry)
    this.#bytes += body.length
    return true
  }

  #confirmed(channel: ConfirmChannel, entry: Entry, error: unknown): void {
    // `channel closed`: #lostChannel sees to all of them together.
    if (error && this.#channel === channel && asError(error).message === 'channel closed') return
    this.#inFlight.delete(entry)
    this.#bytes -= entry.body.length
    if (error && !entry.over) this.#refused.refused(entry)
    else if (entry.returned)
      void this.#again(entry, new CorebusError('UNROUTABLE', `nothing takes what is published to ${placeOf(entry.target)}`))
    else this.#end(entry, undefined)
    this.#pump()
  }

  #first(entries: readonly Entry[]): void {
    this.#waiting = [...entries, ...this.#waiting.slice(this.#gone)]
    this.#gone = 0
    this.#pump()
  }

  /** A return comes before its confirm and has no number: it is the oldest that fits. */
  #returned({ fields, properties }: Message): void {
    for (const entry of this.#inFlight) {
      const { target } = entry
      const fits = target.exchange === fields.exchange && target.routingKey === fields.routingKey
      if (!fits || entry.returned || entry.properties.messageId !== properties.messageId) continue
      entry.returned = true
      return
    }
  }

  /** Its place is gone: makes it anew and publishes again. */
  async #again(entry: Entry, error: Error): Promise<void> {
    if (entry.over) return
    if (++entry.tries > MOST_TRIES) return this.#end(entry, { permanent: false, cause: error })
    try {
      await entry.target.remake()
    } catch (thrown) {
      return this.#end(entry, failureOf(thrown))
    }
    this.#waiting.push(entry)
    this.#pump()
  }

  #lostChannel(channel: ConfirmChannel, cause: Error | undefined): void {
    if (this.#channel !== channel) return
    this.#channel = undefined
    const left = [...this.#inFlight]
    this.#inFlight.clear()
    this.#bytes = 0
    const refusal = cause && refusalOf(cause)
    if (cause) this.#trouble = cause
    this.#first(left.filter(({ over }) => !over))
    void this.#repair(refusal, left).then(() => this.#reopen()) // never rejects
  }

  /** The broker closes a channel for one message and does not say which: those it can be meant for are seen to, the others go again. */
  async #repair(refusal: Refusal | undefined, left: readonly Entry[]): Promise<void> {
    if (!refusal) return
    const guilty = left.filter((entry) => !entry.over && refusal.concerns(entry.target.exchange, entry.body.length))
    const targets = new Set(guilty.map(({ target }) => target))
    const failures = new Map<Target, Failure>()
    for (const target of targets) {
      try {
        if (refusal.kind !== 'missing') throw refusal.error
        await target.remake()
      } catch (thrown) {
        failures.set(target, failureOf(thrown))
      }
    }
    for (const entry of guilty) {
      const failure = failures.get(entry.target)
      if (failure) this.#end(entry, failure)
      else if (++entry.tries > MOST_TRIES) this.#end(entry, { permanent: false, cause: refusal.error })
    }
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
    const { clock } = this.#options
    const [first] = this.#open
    this.#cancelTimer = first && clock.after(Math.max(first.deadline - monotonic(clock), 1), () => this.#expire())
  }

  #expire(): void {
    const { clock, timeoutMs } = this.#options
    const now = monotonic(clock)
    for (const entry of this.#open) {
      if (entry.deadline > now) break
      const why = this.#blocked ?? (this.#channel ? undefined : this.#trouble)
      const text = `no confirm within ${timeoutMs} ms; the message may still be on the broker${why ? ` (${why.message})` : ''}`
      this.#end(entry, { permanent: false, cause: entry.refused ?? new CorebusError('PUBLISH_TIMEOUT', text, { cause: why }) })
    }
    // While the broker is away nothing leaves the line, and what has timed out has made room for more.
    this.#waiting = this.#waiting.slice(this.#gone).filter((entry) => !entry.over)
    this.#gone = 0
    if (!this.#closed) this.#arm()
  }
}
