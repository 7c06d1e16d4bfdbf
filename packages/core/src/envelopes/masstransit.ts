import type { EnvelopeIn, EnvelopeOut } from '../wire/foreign-envelope.ts'
import { derivedId } from '../wire/id.ts'
import { contentTypeOf, isObject, objectIn, textIn, utcOf } from './json.ts'

const URN = 'urn:message:'
const CONTENT_TYPE = 'application/vnd.masstransit+json'
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const read: EnvelopeIn = (message) => {
  const said = contentTypeOf(message) === CONTENT_TYPE ? CONTENT_TYPE : undefined
  const envelope = objectIn(message, said)
  // The first is the type itself; those behind it are what it implements.
  const [type] = Array.isArray(envelope?.messageType) ? (envelope.messageType as readonly unknown[]) : []
  const name = typeof type === 'string' && type.startsWith(URN) ? type.slice(URN.length) : ''
  if (!envelope || name === '' || !isObject(envelope.message)) {
    if (said === undefined) return undefined
    throw new Error(`the content type is ${said}, and the body has no ${name === '' ? `messageType that begins with ${URN}` : 'message'}`)
  }
  return {
    name,
    data: envelope.message,
    id: textIn(envelope, 'messageId'),
    timestamp: utcOf(textIn(envelope, 'sentTime')),
    source: textIn(envelope, 'sourceAddress') ?? (isObject(envelope.host) ? textIn(envelope.host, 'processName') : undefined),
  }
}

const write: EnvelopeOut = ({ name, data, id, timestamp, source }) => {
  // MassTransit reads GUIDs alone.
  const messageId = GUID.test(id) ? id : derivedId(id)
  const body = {
    messageId,
    conversationId: messageId,
    messageType: [`${URN}${name}`],
    message: data,
    sentTime: timestamp,
    headers: {},
    // An address of ours would be none of MassTransit's endpoints.
    host: { processName: source },
  }
  return { body, headers: { 'content-type': CONTENT_TYPE }, properties: { contentType: CONTENT_TYPE, messageId } }
}

/** The envelope of MassTransit: `Contracts:SubmitOrder`, as its first message type says, is the event's name. */
export const massTransit: { readonly in: EnvelopeIn; readonly out: EnvelopeOut } = { in: read, out: write }
