/** How the service of a history is made. */
export interface Setting {
  /** `plain`: without a session. `session`: effects and what follows are there with its commit. `inbox`: with inbox and outbox, so that an effect is there once. */
  readonly effects: 'plain' | 'session' | 'inbox'
  readonly ordering: 'none' | 'key'
  readonly concurrency: number
}

/** An act of the handler with a message, one for each attempt: an attempt for which none is said works. */
export type Act =
  | 'works'
  | 'fails'
  | 'rejects'
  | 'comes later'
  /** Until its signal aborts; then it goes on as if nothing had happened. */
  | 'hangs'
  /** Until its signal aborts; then it throws. */
  | 'obeys'
  /** Ends its process. */
  | 'kills'

export const MAX_RETRIES = 2
export const RETRY_MS = 1_000
export const HANDLER_TIMEOUT_MS = 1_000
export const CRASH_LIMIT = 5
export const SHUTDOWN_MS = 500
