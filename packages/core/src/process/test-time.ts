import { registry } from './registry.ts'

/** Returns the time of the app under test that was opened last, in ms since the epoch; undefined without one. For what asks another clock: a database. */
export const testNow = (): number | undefined => registry.testClock?.now()
