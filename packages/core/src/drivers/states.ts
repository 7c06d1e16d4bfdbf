import type { ConnectionState, SubscriptionState } from '../driver.ts'
import { CorebusError } from '../errors.ts'

/** Not only lost: it does not come back until somebody does something. */
const isUnreachable = (error: Error): boolean => error instanceof CorebusError && error.code === 'CONNECT'

/**
 * What is said of a driver that has several connections. Said when it changes: of two that are lost together one is news, and so is what neither
 * can come back from by itself.
 */
export class ConnectionStates<Link> {
  readonly #troubles = new Map<Link, Error>()
  #onState: ((state: ConnectionState) => void) | undefined
  #kind: ConnectionState['kind'] = 'connected'
  #said: string | undefined
  #blocked: Error | undefined

  /** Before this nothing is said, and `connected` is the first that is. */
  begin(onState: (state: ConnectionState) => void): void {
    this.#onState = onState
    this.#kind = 'connected'
    onState({ kind: 'connected' })
  }

  /** Nothing more is said. */
  end(): void {
    this.#onState = undefined
  }

  lost(link: Link, error: Error): void {
    this.#troubles.set(link, error)
    this.#tell()
  }

  /** `isOver`: there is this connection again, or it is not wanted any more. */
  back(isOver: (link: Link) => boolean): void {
    for (const link of this.#troubles.keys()) if (isOver(link)) this.#troubles.delete(link)
    this.#tell()
  }

  /** The broker takes nothing now; undefined when it does again. */
  block(error: Error | undefined): void {
    this.#blocked = error
    this.#tell()
  }

  /** A connection that is lost says nothing of it any more. */
  forgetBlock(): void {
    this.#blocked = undefined
  }

  #tell(): void {
    const trouble = [...this.#troubles.values()].findLast(isUnreachable) ?? this.#troubles.values().next().value
    const now: ConnectionState = trouble
      ? { kind: 'reconnecting', error: trouble }
      : this.#blocked
        ? { kind: 'blocked', error: this.#blocked }
        : { kind: 'connected' }
    const unreachable = trouble && isUnreachable(trouble) ? trouble.message : undefined
    if (!this.#onState || (this.#kind === now.kind && (unreachable === undefined || unreachable === this.#said))) return
    this.#kind = now.kind
    this.#said = unreachable
    this.#onState(now)
  }
}

const MOST_NOTICES = 10

export interface SubscriptionStatesOptions {
  readonly onState: (state: SubscriptionState) => void
  /** Whether all that it reads from can be read. */
  readonly isOpen: () => boolean
}

/** What is said of a subscription that reads from several places, each of which may be lost by itself. */
export class SubscriptionStates {
  readonly #options: SubscriptionStatesOptions
  #kind: SubscriptionState['kind'] | 'new' = 'new'
  #said: string | undefined
  #ended = false
  #notices: Error[] = []

  constructor(options: SubscriptionStatesOptions) {
    this.#options = options
  }

  trouble(error: Error): void {
    if (this.#kind !== 'consuming' || this.#ended) return
    this.#kind = 'reconnecting'
    this.#options.onState({ kind: 'reconnecting', error })
  }

  /** What keeps it from coming back, once each. */
  keptAway(error: Error): void {
    if (this.#kind !== 'reconnecting' || this.#ended || error.message === this.#said) return
    this.#said = error.message
    this.#options.onState({ kind: 'reconnecting', error })
  }

  back(): void {
    if (this.#kind === 'consuming' || this.#ended || !this.#options.isOpen()) return
    this.#kind = 'consuming'
    this.#said = undefined
    this.#options.onState({ kind: 'consuming' })
    for (const notice of this.#notices.splice(0)) this.notice(notice)
  }

  /** What keeps nobody from reading, and would not be seen if it were not said. Before it reads, or while it is away, it waits until it does. */
  notice(error: Error): void {
    if (this.#kind === 'consuming' && !this.#ended) this.#options.onState({ kind: 'consuming', notice: error })
    else if (this.#notices.length < MOST_NOTICES) this.#notices.push(error)
  }

  /** Nothing more is said. */
  end(): void {
    this.#ended = true
  }
}
