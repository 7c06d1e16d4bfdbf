import { isEnvelope, wrongIn } from '../wire/envelope.ts'
import type { EnvelopeIn, EnvelopeOut } from '../wire/foreign-envelope.ts'
import { objectIn } from './json.ts'

const read: EnvelopeIn = (message) => {
  const body = objectIn(message)
  if (!isEnvelope(body) || wrongIn(body)) return undefined
  const { name, data, timestamp, source } = body
  return { name, data, timestamp, source }
}

const write: EnvelopeOut = ({ name, data, timestamp, source }) => ({ body: { name, data, timestamp, source } })

/** Our own events, for a topic that others publish to as well: what is no event of ours is skipped, and is no dead letter. */
export const ownEvents: { readonly in: EnvelopeIn; readonly out: EnvelopeOut } = { in: read, out: write }
