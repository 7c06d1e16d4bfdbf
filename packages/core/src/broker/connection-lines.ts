import type { Logger } from 'pino'
import { type Clock, monotonic } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { ConnectionState } from '../driver.ts'
import type { Observer } from '../observe/observer.ts'

/** How long a first connection may take before it is said that it is awaited. */
const QUIET_MS = 1_000

export type Trouble = Exclude<ConnectionState, { kind: 'connected' }>

export interface LinesOptions {
  readonly config: Config
  readonly clock: Clock
  readonly observer: Observer
  readonly logger: Logger
}

/** That a first connection is awaited: until `stop` it is said after a while, once, with what answers at that address. */
export interface Wait {
  /** What answers there, when that was asked for already. */
  found(): Promise<string | undefined> | undefined
  stop(): void
}

/** What is said of one connection: which broker it is, once; that it is awaited; and each trouble once each way. */
export class ConnectionLines {
  readonly #with: LinesOptions
  #announced = false
  #troubleSince: number | undefined
  #trouble: string | undefined

  constructor(options: LinesOptions) {
    this.#with = options
  }

  /** Why nothing can be sent, as far as that is known. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** Once, however often the first connection is tried. */
  announce(): void {
    const { config, logger } = this.#with
    const { broker, where, why, hints, instead } = config
    if (this.#announced) return
    this.#announced = true
    const line = `broker ${broker} at ${where} (${why})`
    if (instead === undefined) logger.info({ broker, where, why }, line)
    else logger.warn({ broker, where, why, instead }, `${line}. ${instead}`)
    for (const hint of hints) logger.warn(hint)
  }

  /** A broker that is not there is tried for many seconds before that is an error: whoever looks on is told after one. */
  awaited(isAwaited: () => boolean): Wait {
    const { clock, config, logger } = this.#with
    const { broker, where } = config
    let found: Promise<string | undefined> | undefined
    const stop = clock.after(QUIET_MS, () => {
      if (!isAwaited()) return
      logger.warn({ broker, where }, `waiting for broker ${broker} at ${where}: no connection after ${QUIET_MS / 1_000} s, still trying`)
      found = whatAnswersAt(config)
      void found.then((answer) => {
        if (answer === undefined || !isAwaited()) return
        this.#trouble = answer
        logger.warn({ broker, where }, answer)
      })
    })
    return { found: () => found, stop }
  }

  connected(notice: Error | undefined): void {
    const { config, clock, observer, logger } = this.#with
    const { broker, where } = config
    this.#trouble = undefined
    observer.state('connected')
    if (notice) logger.warn({ broker, where, err: notice }, notice.message)
    if (this.#troubleSince !== undefined)
      logger.info(
        { broker, where },
        `broker ${broker} at ${where} is back after ${((monotonic(clock) - this.#troubleSince) / 1000).toFixed(1)} s`,
      )
    this.#troubleSince = undefined
  }

  /** `again` when it was lost before and has not come back. */
  lost({ kind, error }: Trouble, again: boolean): void {
    const { config, clock, observer, logger } = this.#with
    const { broker, where } = config
    this.#trouble = error.message
    observer.state(kind, { error })
    this.#troubleSince ??= monotonic(clock)
    const line = { broker, where, err: error }
    if (kind === 'dead') logger.error(line, `broker ${broker} at ${where} cannot be used any more: ${error.message}`)
    else if (kind === 'blocked') logger.warn(line, `broker ${broker} at ${where} takes no publishes: ${error.message}`)
    else {
      const lost = again ? 'cannot be reached again yet, still trying' : 'is lost, coming back by itself'
      logger.warn(line, `broker ${broker} at ${where} ${lost}: ${error.message}`)
    }
  }
}

/** Never rejects. It is loaded where there is trouble: it needs Node's sockets and TLS, which a process on an embedded broker never loads. */
export async function whatAnswersAt({ broker, url, tls }: Config): Promise<string | undefined> {
  try {
    const { whatAnswers } = await import('./what-answers.ts')
    return await whatAnswers(broker, url, tls !== false)
  } catch {
    return undefined // a deployment has replaced the files: the trouble itself is what is to be told
  }
}
