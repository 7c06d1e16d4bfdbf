import { type Channel, channel } from 'node:diagnostics_channel'
import { inFrameOfItsOwn } from '../process/frame.ts'

/** What every record names: ids and times, never bodies. */
export interface MessageRecord {
  readonly service: string
  /** Which instance of the process says so: one id for all that one says. */
  readonly instance: string
  readonly topic: string
  readonly id: string
  readonly key?: string
  readonly event?: string
  readonly group?: string
  readonly attempt?: number
  readonly correlationId?: string
}

/** `node:diagnostics_channel` names. Subscribe with `diagnostics_channel.subscribe(CHANNEL.handle, (record) => ...)`. */
export const CHANNEL = {
  publish: 'corebus:publish',
  deliver: 'corebus:deliver',
  handle: 'corebus:handle',
  settle: 'corebus:settle',
  state: 'corebus:state',
} as const

export interface PublishRecord extends MessageRecord {
  readonly error?: Error
}
export interface DeliverRecord extends MessageRecord {
  readonly unsettledBefore: number
}
export interface HandleRecord extends MessageRecord {
  readonly durationMs: number
  readonly outcome: 'ok' | 'failed' | 'skipped' | 'duplicate' | 'lost' | 'handed back'
  readonly error?: Error
}
export interface SettleRecord extends MessageRecord {
  readonly settlement: 'ack' | 'retry' | 'deadLetter' | 'drop'
  readonly afterMs?: number
  readonly reason?: string
}
export interface StateRecord {
  readonly service: string
  readonly instance: string
  readonly state: 'connected' | 'blocked' | 'reconnecting' | 'dead' | 'consuming' | 'stopped'
  readonly group?: string
  readonly error?: Error
}

export const publishChannel: Channel = channel(CHANNEL.publish)
export const deliverChannel: Channel = channel(CHANNEL.deliver)
export const handleChannel: Channel = channel(CHANNEL.handle)
export const settleChannel: Channel = channel(CHANNEL.settle)
export const stateChannel: Channel = channel(CHANNEL.state)

/** A subscriber sees the async-local storage of what it is told of; what it enters itself ends with it. */
export function tell(channel: Channel, record: object): void {
  if (channel.hasSubscribers) inFrameOfItsOwn(() => channel.publish(record))
}
