// #region all
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { CHANNEL, type SettleRecord } from '@corebus/core'

/** What the runtime decides about the next message: acknowledged, retried and when, dead and why. */
export function nextSettlement(): Promise<SettleRecord> {
  return new Promise((resolve) => {
    const told = (record: unknown): void => {
      unsubscribe(CHANNEL.settle, told)
      resolve(record as SettleRecord)
    }
    subscribe(CHANNEL.settle, told)
  })
}
// #endregion all
