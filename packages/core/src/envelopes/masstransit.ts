import type { EnvelopeIn, EnvelopeOut } from '../wire/foreign-envelope.ts'
import { derivedId } from '../wire/id.ts'
import { isObject, objectIn, textIn } from './json.ts'

const URN = 'urn:message:'
const CONTENT_TYPE = 'application/vnd.masstransit+json'
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const read: EnvelopeIn = (message) => {
  const envelope = objectIn(message)
  if (!envelope || !isObject(envelope.message) || !Array.isArray(envelope.messageType)) return undefined
  // The first is the type itself; those behind it are what it implements.
  const [type] = envelope.messageType as readonly unknown[]
  if (typeof type !== 'string' || !type.startsWith(URN) || type.length === URN.length) return undefined
  return {
    name: type.slice(URN.length),
    data: envelope.message,
    id: textIn(envelope, 'messageId'),
    timestamp: textIn(envelope, 'sentTime'),
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
