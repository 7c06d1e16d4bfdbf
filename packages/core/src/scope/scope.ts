import { AsyncLocalStorage } from 'node:async_hooks'
import type { Message } from '../driver.ts'
import { registry } from '../process/registry.ts'
import { derivedId } from '../wire/id.ts'
import type { Outbox, OutboxMessage } from './companion.ts'
import type { Guard } from './forbidden.ts'
import type { Owner } from './publishing.ts'

/** A message that is validated and encoded, and the instance that will publish it. */
export interface Recorded {
  readonly message: Message
  readonly event?: string
  readonly outlet: Outlet
  /** A message that is due later is always written into the outbox. */
  readonly due?: OutboxMessage['due']
  /** The message leaves after the commit, whether there is an outbox or not: `@event(..., { outbox: false })`. */
  readonly afterwards?: boolean
}

/** What a scope needs of an instance: a way out, now or in the background. */
export interface Outlet {
  publish(messages: readonly Recorded[]): Promise<void>
  /** Resolves when all are confirmed or have failed, which is logged and counted; never rejects. */
  publishInBackground(messages: readonly Recorded[]): Promise<void>
  /** Where recorded messages are written in the session's transaction. */
  readonly outbox: Outbox | undefined
  /** Writes them into the outbox, through the middleware: in the transaction, or without one in a transaction of the outbox's own. */
  write(db: unknown, messages: readonly Recorded[]): Promise<void>
}

/** A session while it is open, and what was done in it that decides about its commit. A session that runs its work again gets a new one. */
export interface Open {
  readonly db: unknown
  /** It is the reading twin. */
  readonly reads: boolean
  /** The inbox has marked the message in it: what is recorded here and does not commit with it may be lost. */
  marked: boolean
  /** Blocks of `session(work)` that have joined it and are not over. */
  joined: number
  /** Something failed in it that must not be committed, even when the code around it swallows the error. */
  broken: { readonly cause: unknown } | undefined
  /** The outbox that was written, which is to be told of the commit. */
  wrote: Outbox | undefined
}

/**
 * Where recorded events wait until it is sure that they happened: a request until its response is out, a handler until its session has
 * committed. `@event` and `emit` record into the current one; without one an event leaves at once, in the background.
 */
export interface Scope {
  readonly recorded: Recorded[]
  /** Travels on in everything published from here. */
  readonly correlationId: string | undefined
  readonly causationId: string | undefined
  /** What the part records that is open, also when the rest is over. */
  part: Recorded[] | undefined
  /** It was asked for. Settles, and never rejects, when it has ended and what it recorded is published or kept. */
  parting: Promise<void> | undefined
  /** Nothing more may be committed: the handler or request ended before its part. */
  ended: boolean
  /** Of a part that has committed: it has happened, whatever becomes of the rest. */
  kept: readonly Recorded[] | undefined
  /** The session that is open, of the whole scope or of its part. */
  open: Open | undefined
  /** What opens the one part, where `session: 'manual'` leaves it to the code which. */
  parts: { readonly session: <T>(work: (db: unknown) => Promise<T>) => Promise<T> } | undefined
  /** The inbox knew the message when the part began: nothing of what the handler does after that counts. */
  duplicate: boolean
  /** Released or discarded. Code it has started may run on: what that records leaves at once. */
  over: boolean
  /** The instance that opened it: what is published from here, by whatever name, is published there. */
  readonly owner: Owner
  /** The scope that a block of `session(work)` was opened in. */
  readonly outer: Scope | undefined
  /** Says when nothing of a handler may be committed any more. */
  guard: Guard | undefined
  /** What is handled here, and by whom: ids of what is recorded must be the same after a redelivery. */
  derivesFrom: Message | undefined
  group: string
  derived: number
  /** Tells the ids that are derived in a block of `session(work)` from those around it. */
  idPrefix: string
  blocks: number
}

/** The scope travels with the code that a request or a handler starts, and is shared by every copy of the SDK in the process. */
const storage = (): AsyncLocalStorage<Scope> => {
  registry.scopes ??= new AsyncLocalStorage<Scope>()
  return registry.scopes as AsyncLocalStorage<Scope>
}

export const currentScope = (): Scope | undefined => storage().getStore()

/** Arguments are passed on, so that no function need be made for every message. */
export const runInScope = <A extends unknown[], T>(scope: Scope, work: (...args: A) => T, ...args: A): T =>
  storage().run(scope, work, ...args)

export function createScope({
  correlationId,
  causationId,
  owner,
  outer,
}: {
  correlationId?: string
  causationId?: string
  owner: Owner
  outer?: Scope | undefined
}): Scope {
  return {
    recorded: [],
    part: undefined,
    parting: undefined,
    ended: false,
    kept: undefined,
    open: undefined,
    parts: undefined,
    duplicate: false,
    over: false,
    correlationId,
    causationId,
    owner,
    outer,
    guard: undefined,
    derivesFrom: undefined,
    group: '',
    derived: 0,
    idPrefix: '',
    blocks: 0,
  }
}

/** The scope of a block of `session(work)` inside of another scope: what follows from a message in it gets the same ids after a redelivery. */
export function createBlockScope(owner: Owner, outer: Scope, correlationId: string): Scope {
  const { causationId, guard, derivesFrom, group } = outer
  const scope = createScope({ owner, outer, correlationId, ...(causationId !== undefined && { causationId }) })
  scope.guard = guard
  scope.derivesFrom = derivesFrom
  scope.group = group
  scope.idPrefix = `${outer.idPrefix}${outer.blocks++}.`
  return scope
}

/** The nearest scope that the instance has opened: the current one, or one around it. */
export function scopeOwnedBy(owner: Owner): Scope | undefined {
  let scope = currentScope()
  while (scope && scope.owner !== owner) scope = scope.outer
  return scope
}

/** The id of the next message that is recorded here, where it must be the same after a redelivery. */
export function nextIdIn(scope: Scope): string | undefined {
  const { derivesFrom, group, idPrefix } = scope
  if (!derivesFrom) return undefined
  const n = scope.derived++
  return derivedId(derivesFrom.topic, derivesFrom.id, group, idPrefix === '' ? n : `${idPrefix}${n}`)
}

/** Keeps the message in the scope, by default the current one; without one it leaves now, in the background. */
export function record(recorded: Recorded, scope: Scope | undefined = currentScope()): void {
  if (scope?.part) scope.part.push(recorded)
  else if (scope && !scope.over) scope.recorded.push(recorded)
  else void recorded.outlet.publishInBackground([recorded]) // never rejects
}

/** Writes what was recorded for one instance in the transaction of its session, and takes it out of the list. What another instance publishes stays. */
export async function writeRecorded(scope: Scope, recorded: Recorded[], outlet: Outlet): Promise<void> {
  const { open } = scope
  if (!outlet.outbox || !open || open.reads) return
  const isOurs = (one: Recorded): boolean => one.outlet === outlet && !one.afterwards
  const ours = recorded.filter(isOurs)
  if (ours.length === 0) return
  recorded.splice(0, recorded.length, ...recorded.filter((one) => !isOurs(one)))
  await outlet.write(open.db, ours)
  open.wrote = outlet.outbox
}

/** Publishes what was recorded and waits for the confirms. */
export async function releaseConfirmed(scope: Scope): Promise<void> {
  scope.over = true
  await publishConfirmed(scope.recorded.splice(0))
}

/** Each by the instance that it was recorded for. @throws what one of them throws */
export async function publishConfirmed(recorded: readonly Recorded[]): Promise<void> {
  if (recorded.length === 0) return
  await Promise.all([...byOutlet(recorded)].map(([outlet, ours]) => outlet.publish(ours)))
}

/** Publishes what was recorded, now. Resolves when all is confirmed or has failed, which is logged and counted; never rejects. */
export async function releaseInBackground(scope: Scope): Promise<void> {
  scope.over = true
  const all = [...(scope.kept ?? []), ...scope.recorded.splice(0)]
  scope.kept = undefined
  await Promise.all([...byOutlet(all)].map(([outlet, recorded]) => outlet.publishInBackground(recorded)))
}

function byOutlet(all: readonly Recorded[]): ReadonlyMap<Outlet, readonly Recorded[]> {
  return Map.groupBy(all, ({ outlet }) => outlet)
}

/** What was recorded did not happen, but for what has committed by itself. */
export function discard(scope: Scope): void {
  scope.over = true
  scope.recorded.length = 0
}
