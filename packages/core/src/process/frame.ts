import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'

type Work<A extends unknown[], T> = (...args: A) => T

/** Runs work with the async-local storage that was current when the package was loaded. */
const asLoaded = AsyncLocalStorage.snapshot()

/** Runs work with the async-local storage of its caller; what the work enters ends with it. */
export const inFrameOfItsOwn = <A extends unknown[], T>(work: Work<A, T>, ...args: A): T =>
  new AsyncResource('corebus').runInAsyncScope(work as (this: undefined, ...args: unknown[]) => T, undefined, ...args)

/** Up to Node 22 a snapshot keeps what is entered in it (`enterWith`), so that the next one to run there would see it. */
const snapshotsKeep = ((): boolean => {
  const probe = new AsyncLocalStorage<true>()
  const snapshot = AsyncLocalStorage.snapshot()
  snapshot(() => probe.enterWith(true))
  const kept = snapshot(() => probe.getStore()) === true
  probe.disable()
  return kept
})()

/**
 * Runs a user's code that belongs to no call of theirs: a handler, `retryIf`, `onStart`. It sees the async-local storage of the moment the
 * package was loaded, not that of whoever called `start` or published, and what it enters (`enterWith`) nobody else sees. Arguments are passed
 * on, so that no function need be made for every message.
 */
export const inFrameAsLoaded: <A extends unknown[], T>(work: Work<A, T>, ...args: A) => T = snapshotsKeep
  ? (work, ...args) => asLoaded(inFrameOfItsOwn<typeof args, ReturnType<typeof work>>, work, ...args)
  : asLoaded
