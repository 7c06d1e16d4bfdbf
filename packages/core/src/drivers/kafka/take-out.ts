import { hasMembers } from '../groups.ts'
import { copyOf } from './copy.ts'
import { decodeNote } from './group/position.ts'
import { Log } from './log-reader.ts'
import type { Client, RecordIn } from './protocol/client.ts'
import type { Publisher } from './publisher.ts'
import { numberOf, type Origin, OURS, originOf, textOf } from './wire.ts'

export interface TakeOutOptions {
  readonly client: Client
  readonly publisher: Publisher
  readonly time: { now(): number }
  readonly groupId: string
  readonly of: { readonly topic: string; readonly group: string }
}

/** What the group has committed of a delay. */
type Committed = { readonly offset: number; readonly metadata: string } | undefined

interface Waiting {
  readonly record: RecordIn
  readonly origin: Origin
}

const NOBODY = { memberId: '', groupGenerationId: -1 }

/**
 * Takes what waits for its retry on one topic out of a delay that several topics of the group share: what is of the others is stored again, behind, for
 * what is left of its time, and then all before it is done with. A crash in between makes second copies and loses none.
 * @throws CorebusError GROUP_HAS_MEMBERS when there is something, and somebody reads the delay
 */
export async function takeOut(delay: string, options: TakeOutOptions): Promise<void> {
  const { client, groupId, of } = options
  // Once, and before the log is opened: whoever reads the delay until then has settled nothing behind its end.
  const committed = await committedOf(delay, options)
  const log = await Log.open({ client, topic: delay })
  // Looked for before anything is stored, so that the delay is read twice: more may wait there than fits into memory.
  if (!(await has(waitingIn(log, committed), of.topic))) return
  const readers = (await client.describe(groupId))?.members.length ?? 0
  if (readers > 0) throw hasMembers(of, readers)
  for await (const waiting of waitingIn(log, committed)) if (waiting.origin.topic !== of.topic) await storeAgain(waiting, delay, options)
  // A member that came meanwhile has gone on with the delay: committed over that, what it settled or waits for would be lost.
  if (!isSame(await committedOf(delay, options), committed)) throw hasMembers(of, 1)
  await client.commit(groupId, NOBODY, [{ topic: delay, partition: 0, offset: String(log.end), metadata: '' }])
}

async function committedOf(delay: string, { client, groupId }: TakeOutOptions): Promise<Committed> {
  return (await client.committed(groupId, delay, [0])).get(0)
}

function isSame(one: Committed, other: Committed): boolean {
  return one?.offset === other?.offset && one?.metadata === other?.metadata
}

async function has(waiting: AsyncIterable<Waiting>, topic: string): Promise<boolean> {
  for await (const { origin } of waiting) if (origin.topic === topic) return true
  return false
}

/** What is not settled, up to where the log ended when it was opened: what is stored again lies behind that. */
async function* waitingIn(log: Log, committed: Committed): AsyncGenerator<Waiting> {
  const marks = decodeNote(committed?.metadata ?? '')
  const from = committed?.offset ?? 0
  for await (const records of log.batches(log.start(from)))
    for (const record of records)
      if (marks[record.offset - from] !== 'done')
        yield { record, origin: originOf(record.headers, { topic: '', partition: 0, offset: 0, at: record.at }) }
}

async function storeAgain({ record, origin }: Waiting, delay: string, { publisher, time }: TakeOutOptions): Promise<void> {
  const leftMs = Math.max(1, record.at + (numberOf(record.headers, OURS.delay) ?? 0) - time.now())
  const to = textOf(record.headers, OURS.to)
  const headers = { [OURS.delay]: String(Math.ceil(leftMs)), ...(to !== undefined && { [OURS.to]: to }) }
  await publisher.store(delay, 0, copyOf({ record, origin, headers }))
}
