// The door for whoever writes a driver: the contract, the errors it speaks in, and time.
export { systemClock } from '../clock.ts'
export type * from '../driver.ts'
export { CorebusError, PublishError, type PublishFailure, SettleError } from '../errors.ts'
