import type { EnvelopeIn, EnvelopeOut, EventRead, EventToWrite, Incoming } from '../wire/foreign-envelope.ts'
import { base64In, contentTypeOf, dataOf, type Json, objectIn, textIn, utcOf } from './json.ts'

// CloudEvents 1.0: https://github.com/cloudevents/spec, its JSON format and its bindings for Kafka and AMQP.
const KAFKA = 'ce_'
const AMQP = 'cloudEvents:'
/** How the attributes of the binary mode are called: AMQP may write either of its two. */
const PREFIXES = [KAFKA, AMQP, 'cloudEvents_']
const STRUCTURED = 'application/cloudevents'
const REQUIRED = ['specversion', 'type', 'id', 'source']
const ATTRIBUTES = [...REQUIRED, 'time']
const VERSION = /^1\.\d+$/
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const read: EnvelopeIn = (message) => {
  const type = contentTypeOf(message)
  const prefix = type.startsWith(STRUCTURED) ? undefined : PREFIXES.find((one) => message.header(`${one}type`) !== undefined)
  if (prefix === undefined) return structured(message, type)
  const of = (name: string) => message.header(`${prefix}${name}`)
  const named = Object.fromEntries(ATTRIBUTES.map((name) => [name, of(name)]))
  return event(named, dataOf(message.body, type))
}

function structured(message: Incoming, type: string): EventRead | undefined {
  const isSaid = type.startsWith(STRUCTURED)
  if (type === `${STRUCTURED}-batch+json`) throw new Error('a batch of CloudEvents is not read: publish each by itself')
  if (isSaid && type !== STRUCTURED && type !== `${STRUCTURED}+json`) throw new Error(`the CloudEvent is ${type}, and only JSON is read`)
  const body = objectIn(message, isSaid ? type : undefined)
  if (!body || !(isSaid || isCloudEvent(body))) return undefined
  const { data = null, data_base64 } = body
  if (data_base64 === undefined) return event(body, data)
  return event(body, dataOf(base64In(data_base64, 'data_base64'), textIn(body, 'datacontenttype') ?? 'application/octet-stream'))
}

/** Whatever its content type: it has what each has, in the version that is read. */
const isCloudEvent = (body: Json): boolean =>
  REQUIRED.every((name) => textIn(body, name) !== undefined) && VERSION.test(textIn(body, 'specversion') ?? '')

/** Of what is marked as one. @throws Error for what it lacks */
function event(attributes: Json, data: unknown): EventRead {
  const [version, name, id, source] = REQUIRED.map((attribute) => {
    const value = textIn(attributes, attribute)
    if (value === undefined) throw new Error(`the CloudEvent has no ${attribute}`)
    return value
  }) as [string, string, string, string]
  if (!VERSION.test(version)) throw new Error(`the CloudEvent is of version ${version}, and 1.0 is read`)
  // An id is unique for its source: of two sources that count, each has a 7. No source has a space in it.
  return { name, data, id: UUID.test(id) ? id : `${source} ${id}`, timestamp: utcOf(textIn(attributes, 'time')), source }
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
