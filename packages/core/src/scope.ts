import { AsyncLocalStorage } from 'node:async_hooks'
import type { Message } from './driver.ts'
import { registry } from './decorators/record.ts'

/** A message that is validated and encoded, and the instance that will publish it. */
export interface Recorded {
  readonly message: Message
  readonly event?: string
  readonly outlet: Outlet
}

/** What a scope needs of an instance: a way out, now or in the background. */
export interface Outlet {
  publish(messages: readonly Recorded[]): Promise<void>
  publishInBackground(messages: readonly Recorded[]): void
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
  /** A session is open, so an outbox can be written. */
  inSession: boolean
  /** Released or discarded. Code it has started may run on: what that records leaves at once. */
  over: boolean
  /** The id of the next recorded message, where it must be the same after a redelivery. */
  nextId?: () => string
}

/** The scope travels with the code that a request or a handler starts, and is shared by every copy of the SDK in the process. */
const storage = (): AsyncLocalStorage<Scope> => {
  registry.scopes ??= new AsyncLocalStorage<Scope>()
  return registry.scopes as AsyncLocalStorage<Scope>
}

export const currentScope = (): Scope | undefined => storage().getStore()

export const runInScope = <T>(scope: Scope, work: () => T): T => storage().run(scope, work)

export function createScope({ correlationId, causationId }: { correlationId?: string; causationId?: string } = {}): Scope {
  return { recorded: [], correlationId, causationId, inSession: false, over: false }
}

/** Keeps the message in the current scope; without one it leaves now, in the background. */
export function record(recorded: Recorded): void {
  const scope = currentScope()
  if (scope && !scope.over) scope.recorded.push(recorded)
  else recorded.outlet.publishInBackground([recorded])
}

/** What the scope has recorded, by the instance that publishes it, and the scope is empty again. */
export function takeRecorded(scope: Scope): ReadonlyMap<Outlet, readonly Recorded[]> {
  const byOutlet = new Map<Outlet, Recorded[]>()
  for (const recorded of scope.recorded.splice(0)) {
    const list = byOutlet.get(recorded.outlet)
    if (list) list.push(recorded)
    else byOutlet.set(recorded.outlet, [recorded])
  }
  return byOutlet
}

/** Publishes what was recorded and waits for the confirms. */
export async function releaseConfirmed(scope: Scope): Promise<void> {
  scope.over = true
  if (scope.recorded.length === 0) return
  await Promise.all([...takeRecorded(scope)].map(([outlet, recorded]) => outlet.publish(recorded)))
}

/** Publishes what was recorded; failures are logged and counted, nothing waits. */
export function releaseInBackground(scope: Scope): void {
  scope.over = true
  if (scope.recorded.length === 0) return
  for (const [outlet, recorded] of takeRecorded(scope)) outlet.publishInBackground(recorded)
}

/** What was recorded did not happen. */
export function discard(scope: Scope): void {
  scope.over = true
  scope.recorded.length = 0
}
