import type { Driver, Unsettled } from '../../../driver.ts'
import { CorebusError } from '../../../errors.ts'
import { checkKnown } from '../../../operations/known.ts'
import { age } from '../../age.ts'
import { table } from '../../table.ts'

export interface Waiting extends Unsettled {
  readonly topic: string
  readonly group: string
}

/**
 * Which messages are out or wait for their retry, of each group of these topics at most `limit`.
 * @throws CorebusError USAGE where the broker does not tell
 */
export async function messagesOf({ admin, name }: Driver, topics: readonly string[], limit: number): Promise<readonly Waiting[]> {
  if (!admin.unsettled)
    throw new CorebusError(
      'USAGE',
      `the broker ${name} does not tell which messages are out or wait for their retry: without --messages they are counted, as far as it tells`,
    )
  for (const topic of topics) await checkKnown(admin, { topic })
  const found: Waiting[] = []
  for (const { topic, groups } of await admin.topics(topics))
    for (const group of [...groups].sort())
      for (const one of await admin.unsettled(topic, group, { limit })) found.push({ topic, group, ...one })
  return found
}

export function messagesTable(messages: readonly Waiting[], now: number, width?: number): string {
  if (messages.length === 0) return 'no messages are out, and none waits for a retry'
  const ago = (at: number | undefined) => (at === undefined ? '-' : age(Math.max(0, now - at)))
  return table(
    [
      { title: 'ID' },
      { title: 'TOPIC', shrinks: true },
      { title: 'GROUP', shrinks: true },
      { title: 'STATE' },
      { title: 'PUBLISHED', align: 'right', gives: true },
      { title: 'OUT FOR', align: 'right', gives: true },
      { title: 'DUE IN', align: 'right', gives: true },
    ],
    messages.map(({ id, topic, group, state, publishedAt, handedOutAt, dueAt }) => [
      ...[id, topic, group, state, ago(publishedAt), ago(handedOutAt)],
      dueAt === undefined ? '-' : age(Math.max(0, dueAt - now)),
    ]),
    width,
  )
}
