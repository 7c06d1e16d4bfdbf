import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { CHANNEL, type Messaging, type PublishRecord } from '@corebus/core'
import type { RowChange } from './change.ts'

/** Changes that were recorded and are not on the broker yet, in this process. Those of a transaction that was rolled back stay until there are so many. */
const MOST_WAITING = 10_000

/** Says of each change that it is published when the broker has it: a line at its recording would speak of transactions that are rolled back. */
export interface PublishedLines {
  recorded(id: string, change: RowChange): void
}

export function publishedLines({ instance, logger }: Pick<Messaging, 'instance' | 'logger'>): PublishedLines {
  const waiting = new Map<string, Pick<RowChange, 'master' | 'key' | 'revision' | 'kind'>>()
  const onPublish = (record: unknown): void => {
    const { instance: by, id, error, correlationId } = record as PublishRecord // the channel has no others
    const change = by === instance ? waiting.get(id) : undefined
    if (!change || error) return
    waiting.delete(id)
    // Nothing is listened for, and kept from being collected, where nothing is on its way.
    if (waiting.size === 0) unsubscribe(CHANNEL.publish, onPublish)
    const { master, key, revision, kind } = change
    const line = `${master} ${key} ${kind === 'delete' ? 'deleted' : 'published'}, revision ${revision}`
    logger.info({ master, key, revision, id, correlationId }, line)
  }
  return {
    recorded(id, { master, key, revision, kind }) {
      if (waiting.size === 0) subscribe(CHANNEL.publish, onPublish)
      const [oldest] = waiting.size >= MOST_WAITING ? waiting.keys() : []
      if (oldest !== undefined) waiting.delete(oldest)
      waiting.set(id, { master, key, revision, kind })
    },
  }
}
