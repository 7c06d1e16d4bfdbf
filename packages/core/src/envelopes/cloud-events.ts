import type { EnvelopeIn, EnvelopeOut, EventRead, EventToWrite, Incoming } from '../wire/foreign-envelope.ts'
import { dataOf, type Json, objectIn, textIn } from './json.ts'

// CloudEvents 1.0: https://github.com/cloudevents/spec, its JSON format and its bindings for Kafka and AMQP.
const KAFKA = 'ce_'
const AMQP = 'cloudEvents:'
/** How the attributes of the binary mode are called: AMQP may write either of its two. */
const PREFIXES = [KAFKA, AMQP, 'cloudEvents_']
const STRUCTURED = 'application/cloudevents'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const read: EnvelopeIn = (message) => {
  const type = (message.header('content-type') ?? message.properties.contentType ?? '').trim().toLowerCase()
  if (type.startsWith(`${STRUCTURED}-batch`)) throw new Error('a batch of CloudEvents is not read: publish each by itself')
  const prefix = type.startsWith(STRUCTURED) ? undefined : PREFIXES.find((one) => message.header(`${one}type`))
  if (prefix === undefined) return structured(message)
  const of = (name: string) => message.header(`${prefix}${name}`)
  const data = dataOf(message.body, message.header('content-type') ?? message.properties.contentType)
  return event({ specversion: of('specversion'), type: of('type'), source: of('source'), id: of('id'), time: of('time') }, data)
}

function structured(message: Incoming): EventRead | undefined {
  const body = objectIn(message)
  if (!body) return undefined
  const { data = null } = body
  const base64 = textIn(body, 'data_base64')
  if (base64 === undefined) return event(body, data)
  return event(body, dataOf(new Uint8Array(Buffer.from(base64, 'base64')), textIn(body, 'datacontenttype') ?? 'application/octet-stream'))
}

function event(attributes: Json, data: unknown): EventRead | undefined {
  const [type, id, source] = [textIn(attributes, 'type'), textIn(attributes, 'id'), textIn(attributes, 'source')]
  if (!textIn(attributes, 'specversion')?.startsWith('1.') || type === undefined || id === undefined || source === undefined)
    return undefined
  // An id is unique for its source: of two sources that count, each has a 7.
  return { name: type, data, id: UUID.test(id) ? id : `${source}/${id}`, timestamp: textIn(attributes, 'time'), source }
}

const attributes = ({ name, id, timestamp, source }: EventToWrite) => ({
  specversion: '1.0',
  id,
  // A reference to a URI: most names of services are one as they are.
  source: encodeURI(source),
  type: name,
  time: timestamp,
})

const writeStructured: EnvelopeOut = (event) => {
  const contentType = `${STRUCTURED}+json; charset=UTF-8`
  const body = { ...attributes(event), datacontenttype: 'application/json', data: event.data }
  return { body, headers: { 'content-type': contentType }, properties: { contentType } }
}

const writeBinary =
  (prefix: string): EnvelopeOut =>
  (event) => {
    const named = Object.entries(attributes(event)).map(([name, value]) => [`${prefix}${name}`, value])
    const contentType = 'application/json'
    return {
      body: event.data,
      headers: { ...Object.fromEntries(named), 'content-type': contentType },
      properties: { contentType },
    }
  }

interface CloudEvents {
  /** Reads every mode, of whichever broker. */
  readonly in: EnvelopeIn
  readonly out: EnvelopeOut
}

/** CloudEvents 1.0: the type is the event's name. Written structured, all in one JSON object, which every broker carries. */
export const cloudEvents: CloudEvents = { in: read, out: writeStructured }

/** The same, written binary for Kafka: the data alone in the body, the rest in headers `ce_*`. */
export const cloudEventsBinary: CloudEvents = { in: read, out: writeBinary(KAFKA) }

/** The same, written binary for RabbitMQ: the data alone in the body, the rest in headers `cloudEvents:*`. */
export const cloudEventsBinaryAmqp: CloudEvents = { in: read, out: writeBinary(AMQP) }
