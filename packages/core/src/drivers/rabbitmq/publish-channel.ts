import type { ChannelModel, ConfirmChannel, Message } from 'amqplib'
import type { Clock } from '../../clock.ts'
import { asError, CorebusError } from '../../errors.ts'
import { type Failure, type PendingMessage, PendingMessages, type Waiter } from '../pending.ts'
import { SendWindow } from '../send-window.ts'
import { corkFor } from './cork.ts'
import { failureOf, type Refusal, refusalOf, tooLargeFor } from './failure.ts'
import { type Refusable, RefusedLines } from './refused-lines.ts'
import { placeOf, type Target } from './target.ts'
import type { Outgoing } from './wire.ts'

interface Entry extends PendingMessage, Refusable {
  readonly body: Buffer
  readonly properties: Outgoing['properties']
  readonly target: Target
  tries: number
  returned: boolean
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
  readonly #clock: Clock
  readonly #pending: PendingMessages<Entry>
  readonly #window = new SendWindow<Entry>({ messages: IN_FLIGHT, bytes: IN_FLIGHT_BYTES })
  readonly #refused: RefusedLines<Entry>
  #model: ChannelModel | undefined
  #channel: ConfirmChannel | undefined
  #cork: () => void = () => {}
  #opening = false
  #congested = false
  #blocked: Error | undefined
  #lost: Error | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#pending = new PendingMessages({
      clock,
      trouble: ({ refused, target }) => refused ?? this.trouble(target),
      // While the broker is away nothing leaves the line, and what has expired has made room for more.
      onExpired: () => this.#window.dropOver(),
    })
    this.#refused = new RefusedLines({
      clock,
      fail: (entry, cause) => this.#pending.end(entry, { permanent: false, cause }),
      resend: (entries) => this.#again([...entries]),
    })
  }

  /** Why what was published there is not confirmed yet, where that is known. */
  trouble(target: Target): Error | undefined {
    return this.#blocked ?? (this.#channel ? this.#refused.why(target) : this.#lost)
  }

  /** Its waiter is told once: without a failure when the broker has the message, otherwise at the latest at its deadline. */
  publish(target: Target, { id = '', body, properties }: Outgoing, waiter: Waiter<{ readonly id: string }>): void {
    const entry: Entry = {
      id,
      bytes: body.length,
      deadline: waiter.deadline,
      waiter,
      n: 0,
      over: false,
      previous: undefined,
      next: undefined,
      target,
      body,
      properties: forTarget(properties, target),
      tries: 0,
      refusals: 0,
      refused: undefined,
      returned: false,
    }
    if (!this.#pending.add(entry)) return
    this.#window.push(entry)
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
    this.#lost = error
    this.#blocked = undefined
  }

  block(error: Error | undefined): void {
    this.#blocked = error
    if (!error) this.#pump()
  }

  /** Resolves when nothing is pending. */
  flush(): Promise<void> {
    return this.#pending.flush()
  }

  /** What is pending fails now, and so does what comes. */
  close(error: Error): void {
    this.#pending.close(error)
  }

  async #openChannel(model: ChannelModel): Promise<void> {
    if (this.#opening || this.#pending.isClosed) return
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
      if (this.#model === model) this.#clock.after(CHANNEL_AGAIN_MS, () => this.#reopen())
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
    while (!this.#congested) {
      const entry = this.#window.next()
      if (!entry) return
      if (!this.#refused.takes(entry) && !this.#send(channel, entry)) return
      this.#window.shift()
    }
  }

  /** False when the channel is closed. */
  #send(channel: ConfirmChannel, entry: Entry): boolean {
    const { target, body, properties } = entry
    // One message alone has nothing to wait for.
    if (!this.#window.isIdle) this.#cork()
    try {
      const room = channel.publish(target.exchange, target.routingKey, body, properties, (error) => this.#confirmed(channel, entry, error))
      if (!room) this.#congested = true
    } catch (thrown) {
      if (asError(thrown).name === 'IllegalOperationError') return false
      // It cannot be written at all.
      this.#pending.end(entry, { permanent: true, cause: tooLargeFor(asError(thrown)) })
      return true
    }
    entry.returned = false
    this.#window.sent(entry)
    return true
  }

  #confirmed(channel: ConfirmChannel, entry: Entry, error: unknown): void {
    // `channel closed`: #lostChannel sees to all of them together.
    if (error && this.#channel === channel && asError(error).message === 'channel closed') return
    this.#window.answered(entry)
    if (error && !entry.over) this.#refused.refused(entry)
    else if (entry.returned)
      void this.#remake(entry, new CorebusError('UNROUTABLE', `nothing takes what is published to ${placeOf(entry.target)}`))
    else this.#pending.end(entry)
    this.#pump()
  }

  #again(entries: readonly Entry[]): void {
    this.#window.again(entries)
    this.#pump()
  }

  /** A return comes before its confirm and has no number: it is the oldest that fits. */
  #returned({ fields, properties }: Message): void {
    for (const entry of this.#window.inFlight()) {
      const { target } = entry
      const fits = target.exchange === fields.exchange && target.routingKey === fields.routingKey
      if (!fits || entry.returned || entry.properties.messageId !== properties.messageId) continue
      entry.returned = true
      return
    }
  }

  /** Its place is gone: makes it anew and publishes again. */
  async #remake(entry: Entry, error: CorebusError): Promise<void> {
    if (entry.over) return
    if (++entry.tries > MOST_TRIES) return this.#pending.end(entry, { permanent: false, cause: error })
    try {
      await entry.target.remake(error)
    } catch (thrown) {
      return this.#pending.end(entry, failureOf(thrown))
    }
    this.#again([entry])
  }

  #lostChannel(channel: ConfirmChannel, cause: Error | undefined): void {
    if (this.#channel !== channel) return
    this.#channel = undefined
    const left = this.#window.lose()
    const refusal = cause && refusalOf(cause)
    if (cause) this.#lost = cause
    this.#again(left.filter(({ over }) => !over))
    void this.#repair(refusal, left).then(() => this.#reopen()) // never rejects
  }

  /** The broker closes a channel for one message and does not say which: those it can be meant for are seen to, the others go again. */
  async #repair(refusal: Refusal | undefined, left: readonly Entry[]): Promise<void> {
    if (!refusal) return
    const guilty = left.filter((entry) => !entry.over && isMeant(refusal, entry))
    const targets = new Set(guilty.map(({ target }) => target))
    const failures = new Map<Target, Failure>()
    for (const target of targets) {
      try {
        if (refusal.kind !== 'missing') throw refusal.error
        await target.remake(refusal.error)
      } catch (thrown) {
        failures.set(target, failureOf(thrown))
      }
    }
    for (const entry of guilty) {
      const failure = failures.get(entry.target)
      if (failure) this.#pending.end(entry, failure)
      else if (++entry.tries > MOST_TRIES) this.#pending.end(entry, { permanent: false, cause: refusal.error })
    }
  }
}

function forTarget(properties: Outgoing['properties'], { headers, mayBeLost }: Target): Outgoing['properties'] {
  if (!headers && !mayBeLost) return properties
  return { ...properties, mandatory: !mayBeLost, headers: { ...properties.headers, ...headers } }
}

function isMeant({ concerns }: Refusal, { target, body, properties }: Entry): boolean {
  return concerns(target.exchange, body.length, properties.userId)
}
