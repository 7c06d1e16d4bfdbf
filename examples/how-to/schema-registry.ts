import { type Decode, RetryLater } from '@corebus/core'
import { Type } from 'avsc'
import protobuf from 'protobufjs'

// #region decoder
type Read = (data: Buffer) => unknown

/** Reads what the serializers of a schema registry write: a zero, the schema's id in four bytes, the data. Each schema is fetched once. */
export function registryDecoder(url: string, { againAfterMs = 5_000 } = {}): Decode {
  const readers = new Map<number, Promise<Read>>()

  function readerFor(id: number): Promise<Read> {
    const known = readers.get(id) ?? fetchReader(id)
    readers.set(id, known)
    known.catch(() => readers.delete(id)) // asked again with the next message
    return known
  }

  async function fetchReader(id: number): Promise<Read> {
    const response = await fetch(`${url}/schemas/ids/${id}`).catch(() => undefined)
    // The registry is away: the message comes again later, without an attempt spent.
    if (response === undefined || response.status >= 500) throw new RetryLater(againAfterMs)
    if (!response.ok) throw new Error(`the registry answers ${response.status} for schema ${id}`)
    const { schema, schemaType = 'AVRO' } = (await response.json()) as { schema: string; schemaType?: string }
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
