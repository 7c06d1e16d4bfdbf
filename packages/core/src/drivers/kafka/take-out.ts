import { hasMembers } from '../groups.ts'
import { copyOf } from './copy.ts'
import { decodeNote } from './group/position.ts'
import { readLog } from './log-reader.ts'
import type { Client, RecordIn } from './protocol/client.ts'
import type { Publisher } from './publisher.ts'
import { numberOf, OURS, originOf, textOf } from './wire.ts'

export interface TakeOutOptions {
  readonly client: Client
  readonly publisher: Publisher
  readonly time: { now(): number }
  readonly groupId: string
  readonly of: { readonly topic: string; readonly group: string }
}

const NOBODY = { memberId: '', groupGenerationId: -1 }

/**
 * Takes what waits for its retry on one topic out of a delay that several topics of the group share: what is of the others is stored again, behind, for
 * what is left of its time, and then all before it is done with. A crash in between makes second copies and loses none.
 * @throws CorebusError GROUP_HAS_MEMBERS when there is something, and somebody reads the delay
 */
export async function takeOut(delay: string, { client, publisher, time, groupId, of }: TakeOutOptions): Promise<void> {
  const committed = (await client.committed(groupId, delay, [0])).get(0)
  const marks = decodeNote(committed?.metadata ?? '')
  const from = committed?.offset ?? 0
  const waiting: RecordIn[] = []
  const end = await readLog(client, delay, {
    from,
    onRecord(record) {
      if (marks[record.offset - from] !== 'done') waiting.push(record)
    },
  })
  const origins = waiting.map((record) => ({
    record,
    origin: originOf(record.headers, { topic: '', partition: 0, offset: 0, at: record.at }),
  }))
  const others = origins.filter(({ origin }) => origin.topic !== of.topic)
  if (others.length === waiting.length) return
  const readers = (await client.describe(groupId))?.members.length ?? 0
  if (readers > 0) throw hasMembers(of, readers)
  for (const { record, origin } of others) {
    const leftMs = Math.max(1, record.at + (numberOf(record.headers, OURS.delay) ?? 0) - time.now())
    const to = textOf(record.headers, OURS.to)
    const copy = copyOf({
      record,
      origin,
      headers: { [OURS.delay]: String(Math.ceil(leftMs)), ...(to !== undefined && { [OURS.to]: to }) },
    })
    await publisher.store(delay, 0, copy)
  }
  await client.commit(groupId, NOBODY, [{ topic: delay, partition: 0, offset: String(end), metadata: '' }])
}
