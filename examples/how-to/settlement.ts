// #region all
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { CHANNEL, type SettleRecord } from '@corebus/core'

/** What becomes of the next message, once the broker has it: acknowledged, retried and when, dead and why. */
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
