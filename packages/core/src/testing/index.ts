import '../process/node-version.ts'

export { type OfGroup, type TestApp, type TestAppOptions, testApp, type WebApp } from './app.ts'
export type { Duration } from './duration.ts'
export type { Failing } from './failures.ts'
export type { Part, Wanted } from './fits.ts'
export type { DeadMessage, HandledMessage, PublishedMessage, RetriedMessage, SkippedMessage, Told } from './history.ts'
export { observe, type SeenOptions, type Spy } from './observe.ts'
export type { VirtualClock } from './virtual-clock.ts'
