import type { Logger } from 'pino'
import { real } from '../clock.ts'
import type { Message } from '../driver.ts'
import { withCauses } from '../errors.ts'
import { HEADER } from '../wire/headers.ts'
import { newId } from '../wire/id.ts'
import {
  type DeliverRecord,
  deliverChannel,
  type HandleRecord,
  handleChannel,
  type MessageRecord,
  type PublishRecord,
  publishChannel,
  type SettleRecord,
  type StateRecord,
  settleChannel,
  stateChannel,
  tell,
} from './channels.ts'
import { type Counters, newCounters } from './counters.ts'
import type { DeadLetterCalls } from './dead-letter-calls.ts'
import { Strangers } from './strangers.ts'

const UNSTORABLE_EVERY_MS = 60_000
/** Whoever publishes may give each message another name. */
const MOST_SAID = 1_000
const LONGEST_NAME = 500

/** Counts, logs and tells the channels: the one place that says what happened to a message. */
export class Observer {
  readonly logger: Logger
  /** In every record, so that what several instances of a process say can be told apart. */
  readonly instance: string = newId()
  readonly #service: string
  #saidUnstorableAt = Number.NEGATIVE_INFINITY
  readonly #saidSkipped = new Set<string>()
  readonly #saidPassedOn = new Set<string>()
  readonly #saidWithoutId = new Set<string>()
  readonly #counters = newCounters()

  readonly #onDeadLetter: DeadLetterCalls | undefined
  readonly #strangers: Strangers

  constructor({ service, logger, onDeadLetter }: { service: string; logger: Logger; onDeadLetter?: DeadLetterCalls | undefined }) {
    this.#service = service
    this.#onDeadLetter = onDeadLetter
    this.logger = logger
    this.#strangers = new Strangers(logger)
  }

  get counters(): Readonly<Counters> {
    return this.#counters
  }

  published(messages: readonly Message[], events: readonly (string | undefined)[] = []): void {
    this.#counters.published += messages.length
    if (!publishChannel.hasSubscribers && !this.logger.isLevelEnabled('debug')) return
    messages.forEach((message, i) => {
      const told: PublishRecord = this.#record(message, { event: events[i] })
      this.logger.debug(fieldsOf(told), `published ${events[i] ?? 'a message'} to ${message.topic}`)
      tell(publishChannel, told)
    })
  }

  publishFailed(message: Message, error: Error, event?: string): void {
    this.#counters.publishFailed++
    if (publishChannel.hasSubscribers) tell(publishChannel, { ...this.#record(message, { event }), error })
  }

  /** Nobody awaits a background publish, so this line is all that is left of it. */
  backgroundPublishFailed(message: Message, error: Error, event?: string): void {
    const line = { ...fieldsOf(this.#record(message, { event })), err: error }
    this.logger.error(
      line,
      `background publish of ${event ?? 'a message'} to ${message.topic} failed, it was not confirmed: ${error.message}`,
    )
  }

  delivered(message: Message, group: string, unsettledBefore: number): void {
    if (!deliverChannel.hasSubscribers) return
    const told: DeliverRecord = { ...this.#record(message, { group }), unsettledBefore }
    tell(deliverChannel, told)
  }

  handled(message: Message, told: Told & { durationMs: number; outcome: HandleRecord['outcome']; error?: Error }): void {
    const { durationMs, outcome, error, event } = told
    if (outcome === 'ok') this.#counters.handled++
    else if (outcome === 'lost') this.#counters.stale++
    if (!this.tellsHandling) return
    const record: HandleRecord = { ...this.#record(message, told), durationMs, outcome, ...(error && { error }) }
    const what = `${event ?? 'a message'} from ${message.topic}`
    if (outcome === 'ok') this.logger.debug(fieldsOf(record), `handled ${what}`)
    else if (outcome === 'duplicate') this.logger.debug(fieldsOf(record), `handled before, skipped: ${what}`)
    else if (outcome === 'lost') this.logger.debug(fieldsOf(record), `taken from us while it was handled: ${what}`)
    tell(handleChannel, record)
  }

  /** Whether anyone wants to know of a message that was handled well: most often nobody does, and it need not be described. */
  get tellsHandling(): boolean {
    return handleChannel.hasSubscribers || this.logger.isLevelEnabled('debug')
  }

  get tellsSettling(): boolean {
    return settleChannel.hasSubscribers
  }

  countHandled(): void {
    this.#counters.handled++
  }

  /** Counted every time, said once per name and process. */
  skipped(message: Message, told: Told & { durationMs: number; why: string }): void {
    const { group, event, durationMs, why } = told
    this.#counters.skipped++
    if (handleChannel.hasSubscribers)
      tell(handleChannel, { ...this.#record(message, told), durationMs, outcome: 'skipped' } satisfies HandleRecord)
    const once = `${group}\0${message.topic}\0${event ?? ''}`.slice(0, LONGEST_NAME)
    if (this.#saidSkipped.has(once) || this.#saidSkipped.size > MOST_SAID) return
    this.#saidSkipped.add(once)
    if (this.#saidSkipped.size > MOST_SAID) {
      this.logger.warn(
        { group, topic: message.topic },
        `more than ${MOST_SAID} kinds of messages are skipped: from here on they are only counted`,
      )
      return
    }
    const line = fieldsOf(this.#record(message, { group, event }))
    this.logger.info(line, `skipped ${event ?? 'a message'} from ${message.topic}: ${why} (said once, counted always)`)
  }

  /** Handled without the inbox. Counted every time, said once per group and topic. */
  withoutId(message: Message, group: string): void {
    this.#counters.withoutId++
    const once = `${group}\0${message.topic}`
    if (this.#saidWithoutId.has(once)) return
    this.#saidWithoutId.add(once)
    const line = `messages of ${message.topic} have no id: the inbox cannot know them, and ${group} may handle one twice (said once, counted always)`
    this.logger.warn({ topic: message.topic, group }, line)
  }

  acked(message: Message, told: Told): void {
    this.#settle(message, told, 'ack')
  }

  retried(message: Message, told: Told & { afterMs: number; of: number; error: Error }): void {
    this.#counters.retried++
    const line = { ...this.#line(message, told), afterMs: told.afterMs, err: told.error }
    this.logger.info(
      line,
      `retry ${told.attempt}/${told.of} in ${told.afterMs} ms: ${told.event ?? 'message'} from ${message.topic}: ${withCauses(told.error)}`,
    )
    this.#settle(message, told, 'retry', { afterMs: told.afterMs })
  }

  snoozed(message: Message, told: Told & { afterMs: number }): void {
    this.#counters.snoozed++
    const line = { ...this.#line(message, told), afterMs: told.afterMs }
    this.logger.info(
      line,
      `again in ${told.afterMs} ms, as it was asked for (RetryLater): ${told.event ?? 'message'} from ${message.topic}`,
    )
    this.#settle(message, told, 'retry', { afterMs: told.afterMs })
  }

  /** Another member of the group handles it. Counted every time, said once for each kind of message. */
  passedOn(message: Message, told: Told & { afterMs: number }): void {
    this.#counters.passedOn++
    const line = { ...this.#line(message, told), afterMs: told.afterMs }
    const text = `again in ${told.afterMs} ms, for another member of the group: ${told.event ?? 'a message'} from ${message.topic}`
    const once = `${told.group}\0${message.topic}\0${told.event ?? ''}`.slice(0, LONGEST_NAME)
    if (this.#saidPassedOn.has(once) || this.#saidPassedOn.size >= MOST_SAID) this.logger.debug(line, text)
    else this.logger.info(line, `${text} (said once, counted always)`)
    if (this.#saidPassedOn.size < MOST_SAID) this.#saidPassedOn.add(once)
    this.#settle(message, told, 'retry', { afterMs: told.afterMs })
  }

  deadLettered(message: Message, told: Told & { reason: string; error: Error }): void {
    this.#counters.dead++
    const line = { ...this.#line(message, told), reason: told.reason, err: told.error }
    this.logger.warn(
      line,
      `moved to dead letters: ${told.event ?? 'message'} from ${message.topic} (${told.reason}): ${withCauses(told.error)}`,
    )
    this.#settle(message, told, 'deadLetter', { reason: told.reason })
    this.#onDeadLetter?.tell(message, told)
    this.#noEvent(message, told)
  }

  /** `deadLetter: false`: this line is all that is left of the message. */
  dropped(message: Message, told: Told & { reason: string; error: Error }): void {
    this.#counters.dropped++
    const line = { ...this.#line(message, told), reason: told.reason, err: told.error }
    this.logger.error(
      line,
      `dropped, deadLetter is false here: ${told.event ?? 'message'} from ${message.topic} (${told.reason}): ${withCauses(told.error)}`,
    )
    this.#settle(message, told, 'drop', { reason: told.reason })
    this.#noEvent(message, told)
  }

  #noEvent({ topic }: Message, { group, error }: Told & { error: Error }): void {
    if ('code' in error && error.code === 'NOT_AN_EVENT') this.#strangers.count(topic, group)
  }

  /** Its copy is refused for good, and a smaller one is asked for. */
  cut(message: Message, told: Told & { error: Error; leftOut: string | undefined }): void {
    const without =
      told.leftOut === undefined ? 'is kept as a dead letter, without the stack of its error' : `loses ${told.leftOut} in its dead letter`
    const line = { ...this.#line(message, told), err: told.error }
    this.logger.warn(line, `message ${message.id} from ${message.topic} ${without}: the broker refuses more: ${told.error.message}`)
  }

  /** Nothing of it can be stored. It is tried again, and said once a minute. */
  unstorable(message: Message, told: Told & { error: Error }): void {
    const now = real.now()
    if (now - this.#saidUnstorableAt < UNSTORABLE_EVERY_MS) return
    this.#saidUnstorableAt = now
    const line = { ...this.#line(message, told), err: told.error }
    this.logger.error(line, `message ${message.id} from ${message.topic} cannot be settled, and stays here: ${told.error.message}`)
  }

  lost(count: number, group: string): void {
    this.#counters.lost += count
    this.logger.debug({ group, count }, `${count} deliveries of ${group} were taken from us`)
  }

  /** The channel only: what is worth a line, and when, is said where the state is known. */
  state(state: StateRecord['state'], { group, error }: { group?: string; error?: Error } = {}): void {
    const told: StateRecord = {
      service: this.#service,
      instance: this.instance,
      state,
      ...(group !== undefined && { group }),
      ...(error && { error }),
    }
    tell(stateChannel, told)
  }

  #settle(message: Message, told: Told, settlement: SettleRecord['settlement'], more: { afterMs?: number; reason?: string } = {}): void {
    if (!settleChannel.hasSubscribers) return
    const record: SettleRecord = { ...this.#record(message, told), settlement, ...more }
    tell(settleChannel, record)
  }

  #line(message: Message, told: Told): object {
    return fieldsOf(this.#record(message, told))
  }

  #record(message: Message, { group, event, attempt }: { group?: string; event?: string | undefined; attempt?: number }): MessageRecord {
    const correlationId = message.headers[HEADER.correlation]
    return {
      service: this.#service,
      instance: this.instance,
      topic: message.topic,
      id: message.id,
      ...(message.key !== undefined && { key: message.key }),
      ...(event !== undefined && { event }),
      ...(group !== undefined && { group }),
      ...(attempt !== undefined && { attempt }),
      ...(correlationId !== undefined && { correlationId }),
    }
  }
}

export interface Told {
  readonly group: string
  readonly event?: string | undefined
  readonly attempt: number
}

/** For a log line, whose service is bound already. */
function fieldsOf(record: MessageRecord): object {
  const { service: _, instance: __, ...fields } = record
  return fields
}
