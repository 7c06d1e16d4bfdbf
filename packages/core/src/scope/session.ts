import { CorebusError } from '../errors.ts'
import { isObject, must, type Option } from '../options/option.ts'

/** Runs `work` in a transaction: commits when it resolves, rolls back when it rejects, and passes its result or error on. */
export type Session<Db> = <T>(work: (db: Db) => Promise<T>) => Promise<T>

/** A session and its reading twin: a transaction that only reads, or the plain connection. It must not wait for those that write. */
export interface Sessions<Db> {
  readonly write: Session<Db>
  readonly read: Session<Db>
}

/**
 * How a handler or a route stands in a session: all of it (`true`), in the reading twin (`'read'`), in none (`false`), or in one that it opens
 * for a part with `context.session(work)` (`'manual'`), so that slow calls stay outside of the transaction.
 */
export type SessionMode = boolean | 'manual' | 'read'

export const isSessionMode = (value: unknown): boolean => typeof value === 'boolean' || value === 'manual' || value === 'read'

/** Of a handler, a class or a route. */
export const SESSION_MODE: Option = {
  default: '`true`',
  must: must("true, false, 'manual' or 'read'", isSessionMode),
  text: "`true`: all of it stands in a session, where one is configured. `'manual'`: `context.session(work)` opens it for a part. `'read'`: in the session that only reads. `false`: in none. See [sessions](../how-to/sessions.md)",
}

const isFunction = (value: unknown): boolean => typeof value === 'function'

/** Of the app. */
export const isSession = (value: unknown): boolean =>
  isFunction(value) || (isObject(value) && isFunction(value.write) && isFunction(value.read))

/** What is opened for a handler or request, or a part of it. */
export interface Opens {
  readonly session: Session<unknown>
  /** It is the reading twin. */
  readonly reads: boolean
}

/** What a mode opens: by itself, or when it is asked to. */
export function opensIn(mode: SessionMode, configured: Session<unknown> | Sessions<unknown> | undefined): Opens | undefined {
  if (mode === false || configured === undefined) return undefined
  if (typeof configured === 'function') return { session: configured, reads: false }
  return mode === 'read' ? { session: configured.read, reads: true } : { session: configured.write, reads: false }
}

export const NO_OUTBOX = 'and no outbox is configured: give the instance one (outbox: sqlOutbox())'

export interface Configured {
  readonly session?: unknown
  /** The inbox is asked for the handler's messages. */
  readonly asksInbox?: boolean
}

/** @throws CorebusError SESSION_MODE when what is configured cannot do what `where` asks for. */
export function checkSessionMode(where: string, mode: SessionMode | undefined, { session, asksInbox = false }: Configured): void {
  if (mode === undefined || mode === true) return
  const wrong = (what: string) => new CorebusError('SESSION_MODE', `${where} says session: ${JSON.stringify(mode)}, and ${what}`)
  if (mode !== false && session === undefined) throw wrong('no session is configured: give the instance one, or leave this out')
  if (asksInbox && mode !== 'manual')
    throw wrong("the inbox needs a session that writes, for its mark: say inbox: false as well, or session: true or 'manual'")
}

/** @throws CorebusError OUTBOX_MISSING without an outbox, SESSION_MODE when a route has no session that it could be written in */
export function checkWrites(
  where: string,
  mode: SessionMode | undefined,
  { session, outbox }: { readonly session: Session<unknown> | Sessions<unknown> | undefined; readonly outbox: unknown },
): void {
  if (outbox === undefined) throw new CorebusError('OUTBOX_MISSING', `${where} publishes with outbox: true, ${NO_OUTBOX}`)
  const opens = mode === 'manual' ? undefined : opensIn(mode ?? true, session)
  if (opens && !opens.reads) return
  const why = session === undefined ? 'no session is configured' : `its request has session: ${JSON.stringify(mode)}`
  throw new CorebusError('SESSION_MODE', `${where} publishes with outbox: true, which needs a session that writes, and ${why}`)
}
