import { type BrokerInside, errorFrom, type Request } from './kafkajs.ts'

/**
 * A request that kafkajs does not know: how a group stands whose members speak the protocol of Kafka 4 (KIP-848). To what kafkajs asks instead, such a
 * group is not there. Kafka 3.7 and later: a broker that does not know the request closes the connection, so it is looked up first.
 */
const CONSUMER_GROUP_DESCRIBE = 69
const NONE = 0
const GROUP_ID_NOT_FOUND = 69

/** @returns its state; undefined for a group that is none of these. @throws KafkaJSServerDoesNotSupportApiKey */
export function consumerGroupRequest(broker: BrokerInside, groupId: string): Request<string | undefined> {
  const buffer = encoded(groupId)
  const request: Request<string | undefined> = {
    request: {
      apiKey: CONSUMER_GROUP_DESCRIBE,
      apiVersion: 0,
      apiName: 'ConsumerGroupDescribe',
      encode: async () => ({ buf: buffer, buffer }),
    },
    response: { decode: async (raw) => read(raw), parse: async (answer) => answer },
  }
  broker.lookupRequest(CONSUMER_GROUP_DESCRIBE, { versions: [0], protocol: () => () => request })
  return request
}

/** Tags of the header, one group, without what it is allowed, tags. Lengths are one more than they say. */
function encoded(groupId: string): Buffer {
  const name = Buffer.from(groupId)
  return Buffer.concat([Buffer.from([0, 2]), varint(name.length + 1), name, Buffer.from([0, 0])])
}

/** Tags of the header, how long we were held up, and of the one group: an error, its text, its name and its state. What follows is not asked for. */
function read(raw: Buffer): string | undefined {
  let at = 1 + 4
  const length = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = raw.readUInt8(at++)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value - 1
    }
  }
  const text = (): string => {
    const count = length()
    at += Math.max(count, 0)
    return count > 0 ? raw.toString('utf8', at - count, at) : ''
  }
  if (length() < 1) return undefined
  const code = raw.readInt16BE(at)
  at += 2
  text()
  text()
  if (code === GROUP_ID_NOT_FOUND) return undefined
  if (code !== NONE) throw errorFrom(code)
  return text()
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.from([...bytes, rest])
}
