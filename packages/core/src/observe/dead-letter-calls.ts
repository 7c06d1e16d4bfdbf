import type { Logger } from 'pino'
import { type Clock, sleep } from '../clock.ts'
import type { Message } from '../driver.ts'
import { asError } from '../errors.ts'
import { inFrameAsLoaded } from '../process/frame.ts'
import { HEADER } from '../wire/headers.ts'

/** What `onDeadLetter` is told of a message that a group of this process has given up on. */
export interface DeadLetterNotice {
  readonly topic: string
  readonly group: string
  readonly id: string
  /** Undefined for what is no event. */
  readonly event: string | undefined
  /** Calls made before it was given up. */
  readonly attempts: number
  readonly reason: string
  readonly error: Error
  /** The code of the error, where it has one, such as ECONNREFUSED. */
  readonly code: string | undefined
  readonly correlationId: string | undefined
}

export type OnDeadLetter = (letter: DeadLetterNotice) => void | Promise<void>

export interface DeadLetterCallsOptions {
  readonly call: OnDeadLetter
  readonly logger: Logger
  readonly clock: Clock
}

interface Told {
  readonly group: string
  readonly event?: string | undefined
  readonly attempt: number
  readonly reason: string
  readonly error: Error
}

/** Calls the user for each dead letter, once it is stored. Nothing waits for it but the close, and what it throws is a line in the log. */
export class DeadLetterCalls {
  readonly #options: DeadLetterCallsOptions
  readonly #running = new Set<Promise<void>>()

  constructor(options: DeadLetterCallsOptions) {
    this.#options = options
  }

  tell(message: Message, told: Told): void {
    const run: Promise<void> = this.#call(noticeOf(message, told)).finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  /** Resolves when all calls are over, or after `withinMs`. */
  async drain(withinMs: number): Promise<void> {
    if (this.#running.size === 0) return
    const { clock, logger } = this.#options
    const timer = new AbortController()
    await Promise.race([Promise.all(this.#running), sleep(clock, withinMs, timer.signal)])
    timer.abort()
    if (this.#running.size > 0)
      logger.warn(`${this.#running.size} calls of onDeadLetter still run, and are not waited for any longer (shutdownMs)`)
  }

  /** Never rejects. */
  async #call(letter: DeadLetterNotice): Promise<void> {
    const { call, logger } = this.#options
    // The settlements that are told of together are told of first.
    await null
    try {
      await inFrameAsLoaded(call, letter)
    } catch (thrown) {
      const { topic, group, id } = letter
      const error = asError(thrown)
      logger.error(
        { topic, group, id, err: error },
        `onDeadLetter failed for message ${id} from ${topic}, which is a dead letter: ${error.message}`,
      )
    }
  }
}

function noticeOf({ topic, id, headers }: Message, { group, event, attempt, reason, error }: Told): DeadLetterNotice {
  const code: unknown = 'code' in error ? error.code : undefined
  return {
    topic,
    group,
    id,
    event,
    attempts: attempt,
    reason,
    error,
    code: typeof code === 'string' || typeof code === 'number' ? String(code) : undefined,
    correlationId: Object.hasOwn(headers, HEADER.correlation) ? headers[HEADER.correlation] : undefined,
  }
}
