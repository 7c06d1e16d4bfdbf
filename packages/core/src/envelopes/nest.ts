import type { EnvelopeIn, EnvelopeOut } from '../wire/foreign-envelope.ts'
import { isObject, objectIn, textIn } from './json.ts'

const read: EnvelopeIn = (message) => {
  const packet = objectIn(message)
  if (!packet || !Object.hasOwn(packet, 'pattern') || !Object.hasOwn(packet, 'data')) return undefined
  const name = nameOf(packet.pattern)
  // Only a request has an id, the same in each of its deliveries.
  return name === undefined ? undefined : { name, data: packet.data, id: textIn(packet, 'id') }
}

/** A pattern may be an object: `{ cmd: 'sum' }` is the event `{"cmd":"sum"}`, its fields in the order of their names. */
function nameOf(pattern: unknown): string | undefined {
  if (typeof pattern === 'string') return pattern === '' ? undefined : pattern
  return typeof pattern === 'number' || isObject(pattern) ? JSON.stringify(sorted(pattern)) : undefined
}

function sorted(value: unknown): unknown {
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name, sorted(value[name])]),
  )
}

/** Without an id, which would make it a request that somebody has to answer. */
const write: EnvelopeOut = ({ name, data }) => ({ body: { pattern: name, data } })

/** The packets of NestJS microservices, `{ pattern, data }`: the pattern is the event's name. Not on Kafka, where NestJS writes the data alone. */
export const nestPackets: { readonly in: EnvelopeIn; readonly out: EnvelopeOut } = { in: read, out: write }
