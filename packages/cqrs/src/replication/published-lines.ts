import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { CHANNEL, type Messaging, type PublishRecord } from '@corebus/core'
import { newId } from '@corebus/core/events'
import type { Master } from './master.ts'

/** The id of a message with a change. It ends in the revision, which whoever publishes it can say: that may be the relay of another process, and long after. */
export const changeId = (revision: number): string => `${newId()}.${revision}`

/**
 * Says of each change that it is published, when the broker has it: a line at its recording would speak of transactions that are rolled back. Returns what
 * ends it.
 */
export function sayPublished(messaging: Pick<Messaging, 'instance' | 'logger'>, masters: readonly Master[]): () => void {
  const isOurs = new Set(masters.map(({ id, topic }) => `${id} ${topic}`))
  const onPublish = (record: unknown): void => {
    const { instance: by, id, key, event, topic, error, correlationId } = record as PublishRecord // the channel has no others
    // The instance is asked for each time: under the test kit it is another one for each app.
    if (by !== messaging.instance || error || !isOurs.has(`${event} ${topic}`)) return
    const revision = Number(id.split('.').at(-1))
    if (!Number.isSafeInteger(revision)) return
    messaging.logger.info({ master: event, key, revision, id, correlationId }, `${event} ${key} published, revision ${revision}`)
  }
  subscribe(CHANNEL.publish, onPublish)
  return () => void unsubscribe(CHANNEL.publish, onPublish)
}
