import { decodeJson, encodeJson, textOf } from '../wire/envelope.ts'
import type { EnvelopeIn, EnvelopeOut, Incoming } from '../wire/foreign-envelope.ts'
import { decodeStrings, encodeStrings } from './msgpack.ts'

const UUID = '_watermill_message_uuid'

interface Message {
  readonly uuid: string
  readonly name: string | undefined
  readonly payload: Uint8Array
}

const read: EnvelopeIn = (message) => {
  const found = inFields(message) ?? inHeaders(message)
  // `name` is what its CQRS component calls the event; a publisher without it may set the metadata itself.
  if (!found?.name) return undefined
  return { name: found.name, data: decodeJson(found.payload), id: found.uuid }
}

function inFields({ fields }: Incoming): Message | undefined {
  const { [UUID]: uuid, metadata, payload = new Uint8Array() } = fields
  if (!uuid) return undefined
  const name = metadata && metadata.length > 0 ? decodeStrings(metadata).name : undefined
  return { uuid: textOf(uuid, UUID), name, payload }
}

/** On Kafka and RabbitMQ metadata are headers. */
function inHeaders(message: Incoming): Message | undefined {
  const uuid = message.header(UUID)
  return uuid ? { uuid, name: message.header('name'), payload: message.body } : undefined
}

const write: EnvelopeOut = ({ name, data, id, headers }) => {
  const payload = encodeJson(data, `the data of event ${name}`)
  return {
    body: payload,
    headers: { [UUID]: id, name, 'content-type': 'application/json' },
    fields: { [UUID]: id, metadata: encodeStrings({ ...headers, name }), payload },
  }
}

/** Messages of Watermill, whose metadata `name` is the event's: on Redis in fields of the entry, on Kafka and RabbitMQ in headers. */
export const watermill: { readonly in: EnvelopeIn; readonly out: EnvelopeOut } = { in: read, out: write }
