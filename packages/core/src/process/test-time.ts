import { registry } from './registry.ts'

/** What time it is for the app under test that was opened last, in ms since the epoch; undefined where none is open. For what asks another clock: a database. */
export const testNow = (): number | undefined => registry.testClock?.now()
