import { errorFrom, type Request } from './kafkajs.ts'

/** Records of one partition, encoded. */
export interface Parcel {
  readonly topic: string
  readonly partition: number
  readonly batch: Buffer
}

/** When it was stored, where the broker says so (-1 where it does not), or why it was not. */
export type Stored = { readonly at: number; readonly error?: undefined } | { readonly error: Error }

const PRODUCE = 0
/** The oldest that brokers of today take, and the first for batches as they are now. */
const VERSION = 3
const EVERYBODY = -1

/**
 * One request for several partitions of one broker, acknowledged by all replicas in sync; each partition has an answer of its own. (kafkajs
 * throws for the first that was refused, and does not say which: then all would have to be sent again.)
 */
export function produceRequest(parcels: readonly Parcel[], timeoutMs: number): Request<readonly Stored[]> {
  const payload = encode(parcels, timeoutMs)
  return {
    request: { apiKey: PRODUCE, apiVersion: VERSION, apiName: 'Produce', encode: async () => ({ buf: payload, buffer: payload }) },
    response: { decode: async (raw) => decode(raw, parcels), parse: async (stored) => stored },
    logResponseError: false,
  }
}

function encode(parcels: readonly Parcel[], timeoutMs: number): Buffer {
  const parts: Buffer[] = [header(timeoutMs)]
  const topics = Map.groupBy(parcels, ({ topic }) => topic)
  parts.push(int32(topics.size))
  for (const [topic, of] of topics) {
    parts.push(string(topic), int32(of.length))
    for (const { partition, batch } of of) parts.push(int32(partition), int32(batch.length), batch)
  }
  return Buffer.concat(parts)
}

function header(timeoutMs: number): Buffer {
  const buffer = Buffer.allocUnsafe(8)
  buffer.writeInt16BE(-1, 0) // of no transaction
  buffer.writeInt16BE(EVERYBODY, 2)
  buffer.writeInt32BE(timeoutMs, 4)
  return buffer
}

function int32(value: number): Buffer {
  const buffer = Buffer.allocUnsafe(4)
  buffer.writeInt32BE(value, 0)
  return buffer
}

function string(text: string): Buffer {
  const length = Buffer.allocUnsafe(2)
  length.writeInt16BE(Buffer.byteLength(text), 0)
  return Buffer.concat([length, Buffer.from(text)])
}

function decode(raw: Buffer, parcels: readonly Parcel[]): readonly Stored[] {
  const stored = new Map<string, Stored>()
  let at = 4
  for (let topics = raw.readInt32BE(0); topics > 0; topics--) {
    const nameEnd = at + 2 + raw.readInt16BE(at)
    const topic = raw.toString('utf8', at + 2, nameEnd)
    at = nameEnd + 4
    for (let partitions = raw.readInt32BE(nameEnd); partitions > 0; partitions--) {
      // Partition, error, first offset, time.
      const code = raw.readInt16BE(at + 4)
      stored.set(`${topic}\0${raw.readInt32BE(at)}`, code === 0 ? { at: Number(raw.readBigInt64BE(at + 14)) } : { error: errorFrom(code) })
      at += 22
    }
  }
  return parcels.map(
    ({ topic, partition }) =>
      stored.get(`${topic}\0${partition}`) ?? { error: new Error(`the broker's answer says nothing of ${topic}/${partition}`) },
  )
}
