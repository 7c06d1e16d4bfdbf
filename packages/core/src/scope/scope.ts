import { AsyncLocalStorage } from 'node:async_hooks'
import type { Message } from '../driver.ts'
import { registry } from '../process/registry.ts'
import { derivedId } from '../wire/id.ts'
import type { Outbox } from './companion.ts'
import type { Publishing } from './publishing.ts'

/** A message that is validated and encoded, and the instance that will publish it. */
export interface Recorded {
  readonly message: Message
  readonly event?: string
  readonly outlet: Outlet
}

/** What a scope needs of an instance: a way out, now or in the background. */
export interface Outlet {
  publish(messages: readonly Recorded[]): Promise<void>
  /** Resolves when all are confirmed or have failed, which is logged and counted; never rejects. */
  publishInBackground(messages: readonly Recorded[]): Promise<void>
  /** Whether recorded messages are written in the session's transaction. */
  readonly hasOutbox: boolean
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
  /** What is open: an outbox can be written where it is no reading one. */
  session: 'none' | 'read' | 'write'
  /** Released or discarded. Code it has started may run on: what that records leaves at once. */
  over: boolean
  /** The instance that opened it: what is published from here, by whatever name, is published there. */
  readonly owner: Publishing
  /** What is handled here, and by whom: ids of what is recorded must be the same after a redelivery. */
  derivesFrom: Message | undefined
  group: string
  derived: number
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
}: {
  correlationId?: string
  causationId?: string
  owner: Publishing
}): Scope {
  return {
    recorded: [],
    part: undefined,
    parting: undefined,
    ended: false,
    kept: undefined,
    session: 'none',
    over: false,
    correlationId,
    causationId,
    owner,
    derivesFrom: undefined,
    group: '',
    derived: 0,
  }
}

/** The id of the next message that is recorded here, where it must be the same after a redelivery. */
export function nextIdIn(scope: Scope): string | undefined {
  const { derivesFrom, group } = scope
  return derivesFrom && derivedId(derivesFrom.topic, derivesFrom.id, group, scope.derived++)
}

/** Keeps the message in the current scope; without one it leaves now, in the background. */
export function record(recorded: Recorded): void {
  const scope = currentScope()
  if (scope?.part) scope.part.push(recorded)
  else if (scope && !scope.over) scope.recorded.push(recorded)
  else void recorded.outlet.publishInBackground([recorded]) // never rejects
}

/** Writes what was recorded for one instance in the transaction of its session. What another instance publishes stays. */
export async function writeRecorded(scope: Scope, outlet: Outlet, outbox: Outbox, db: unknown): Promise<void> {
  const ours = scope.recorded.filter((recorded) => recorded.outlet === outlet)
  if (ours.length === 0) return
  scope.recorded.splice(0, scope.recorded.length, ...scope.recorded.filter((recorded) => recorded.outlet !== outlet))
  await outbox.write(
    db,
    ours.map(({ message }) => ({ message })),
  )
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
