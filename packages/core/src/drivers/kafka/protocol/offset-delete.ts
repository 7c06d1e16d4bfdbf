import { errorFrom, type Request } from './kafkajs.ts'

/** A request that kafkajs does not know: what a group has committed for some topics is taken off, and the rest of it stays. Kafka 2.4 and later. */
const OFFSET_DELETE = 47
const NONE = 0
const NON_EMPTY_GROUP = 68
const GROUP_ID_NOT_FOUND = 69
const GROUP_SUBSCRIBED_TO_TOPIC = 86

/** 'members': somebody reads one of them. Of a group that has committed nothing there is nothing to take off. */
export type Forgotten = 'done' | 'members'

/** `partitions`: how many each topic has. */
export function offsetDeleteRequest(groupId: string, partitions: ReadonlyMap<string, number>): Request<Forgotten> {
  const buffer = encoded(groupId, partitions)
  return {
    request: {
      apiKey: OFFSET_DELETE,
      apiVersion: 0,
      apiName: 'OffsetDelete',
      encode: async () => ({ buf: buffer, buffer }),
    },
    response: { decode: async (raw) => read(raw), parse: async (answer) => answer },
  }
}

function encoded(groupId: string, partitions: ReadonlyMap<string, number>): Buffer {
  return Buffer.concat([
    text(groupId),
    int32(partitions.size),
    ...[...partitions].flatMap(([topic, count]) => [text(topic), int32(count), ...Array.from({ length: count }, (_, n) => int32(n))]),
  ])
}

/** An error for all, how long we were held up, and one for each partition of each topic. */
function read(raw: Buffer): Forgotten {
  const codes = [raw.readInt16BE(0)]
  let at = 2 + 4
  const topics = raw.readInt32BE(at)
  at += 4
  for (let topic = 0; topic < topics; topic++) {
    at += 2 + raw.readInt16BE(at)
    const count = raw.readInt32BE(at)
    at += 4
    for (let n = 0; n < count; n++, at += 6) codes.push(raw.readInt16BE(at + 4))
  }
  if (codes.some((code) => code === NON_EMPTY_GROUP || code === GROUP_SUBSCRIBED_TO_TOPIC)) return 'members'
  const refused = codes.find((code) => code !== NONE && code !== GROUP_ID_NOT_FOUND)
  if (refused !== undefined) throw errorFrom(refused)
  return 'done'
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(2)
  length.writeInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
