import { type Decode, RetryLater } from '@corebus/core'
import { Type } from 'avsc'
import protobuf from 'protobufjs'

// #region decoder
type Read = (data: Buffer) => unknown

/** Reads what the serializers of a schema registry write: a zero, the schema's id in four bytes, the data. Each schema is fetched once. */
export function registryDecoder(url: string, { againAfterMs = 5_000, timeoutMs = 5_000 } = {}): Decode {
  const readers = new Map<number, Promise<Read>>()

  function readerFor(id: number): Promise<Read> {
    const known = readers.get(id) ?? fetchReader(id)
    readers.set(id, known)
    known.catch(() => readers.delete(id)) // asked again with the next message
    return known
  }

  async function fetchReader(id: number): Promise<Read> {
    // Nothing aborts a decode: what it waits for needs a time-out of its own, shorter than the handler's.
    const answer = await fetch(`${url}/schemas/ids/${id}`, { signal: AbortSignal.timeout(timeoutMs) })
      .then(async (response) => ({ status: response.status, body: await response.json() }))
      .catch(() => undefined)
    if (answer?.status === 404) throw new Error(`the registry has no schema ${id}`)
    // The registry is away, or lets nobody in now: the message comes again later, without an attempt spent.
    if (answer?.status !== 200) throw new RetryLater(againAfterMs)
    const { schema, schemaType = 'AVRO' } = answer.body as { schema: string; schemaType?: string }
    return schemaType === 'PROTOBUF' ? protobufReader(schema) : avroReader(schema)
  }

  return async (body) => {
    const bytes = Buffer.from(body)
    if (bytes[0] !== 0) throw new Error('no schema registry wrote this: it does not begin with a zero')
    const read = await readerFor(bytes.readInt32BE(1))
    return read(bytes.subarray(5))
  }
}
// #endregion decoder

// #region formats
function avroReader(schema: string): Read {
  const type = Type.forSchema(JSON.parse(schema))
  return (data) => type.fromBuffer(data)
}

/** In front of the data stands which message of the schema it is; a zero means the first. */
function protobufReader(schema: string): Read {
  const [first] = protobuf.parse(schema).root.nestedArray.filter((one) => one instanceof protobuf.Type)
  return (data) => {
    if (!first || data[0] !== 0) throw new Error('only the first message of a Protobuf schema is read')
    return first.toObject(first.decode(data.subarray(1)))
  }
}
// #endregion formats
