import type { Message } from '../driver.ts'
import { asError, CorebusError } from '../errors.ts'
import type { HandlerPlan, TopicPlan } from '../handlers/plan.ts'
import { decodeJson, decodeText, isEnvelope, wrongIn } from '../wire/envelope.ts'
import type { Verdict } from './outcome.ts'

/** Who handles a message, and with what; or why nobody does. */
export type Found =
  | { readonly kind: 'handler'; readonly plan: HandlerPlan; readonly input: unknown; readonly event?: string }
  | { readonly kind: 'verdict'; readonly verdict: Verdict; readonly event?: string; readonly plan?: HandlerPlan }

/** Reads it as far as the group needs to know whose it is, and for that handler to its schema. */
export function find(message: Message, { events, rest }: TopicPlan, unknown: 'skip' | 'deadLetter'): Found {
  if (message.tombstone)
    return rest ? { kind: 'handler', plan: rest, input: null } : skipped('a tombstone, and the group has no messageHandler for it')
  if (events.size === 0 && rest) return decoded(message, rest)

  let body: unknown
  try {
    body = decodeJson(message.body)
  } catch (cause) {
    return rest ? decoded(message, rest) : hopeless('not-json', cause)
  }
  if (!isEnvelope(body)) {
    if (rest) return decoded(message, rest, body)
    return hopeless(
      'not-an-event',
      new CorebusError('NOT_AN_EVENT', 'the body is no event: it lacks a name or data, and the group has no messageHandler for it'),
    )
  }
  const plan = events.get(body.name)
  if (!plan) {
    if (rest) return decoded(message, rest, body)
    const why = `nobody in the group handles event ${body.name}`
    if (unknown === 'skip') return { ...skipped(why), event: body.name }
    return { ...hopeless('unknown-event', new CorebusError('UNKNOWN_EVENT', why)), event: body.name }
  }
  const wrong = wrongIn(body)
  if (wrong)
    return { ...hopeless('not-an-event', new CorebusError('NOT_AN_EVENT', `the body is no event: ${wrong}`)), event: body.name, plan }
  const { on } = plan.spec
  try {
    const data = on.kind === 'event' && on.type ? on.type.decode(body.data) : body.data
    const event = { name: body.name, data, timestamp: body.timestamp, source: body.source }
    return { kind: 'handler', plan, input: event, event: body.name }
  } catch (cause) {
    return { ...hopeless('schema', cause), event: body.name, plan }
  }
}

function decoded(message: Message, plan: HandlerPlan, json?: unknown): Found {
  const { on, where } = plan.spec
  if (on.kind !== 'message') throw new Error(`${where} is no message handler`)
  const { decode, wire } = on
  let input: unknown
  try {
    input = json !== undefined && decode === 'json' ? json : decodeBody(message, decode)
  } catch (cause) {
    return { ...hopeless('not-json', cause), plan }
  }
  try {
    return { kind: 'handler', plan, input: wire ? wire.decode(input) : input }
  } catch (cause) {
    return { ...hopeless('schema', cause), plan }
  }
}

function decodeBody(
  { body, headers }: Message,
  decode: 'json' | 'text' | 'bytes' | ((body: Uint8Array, headers: Message['headers']) => unknown),
): unknown {
  // The handler gets a copy: the driver makes the retry and the dead letter of its own bytes, and a broker in this process hands them to other groups.
  if (typeof decode === 'function') return decode(ownBytes(body), { ...headers })
  if (decode === 'bytes') return ownBytes(body)
  if (decode === 'json') return decodeJson(body)
  const text = decodeText(body)
  if (text === undefined) throw new SyntaxError('the body is not UTF-8')
  return text
}

function ownBytes(body: Uint8Array): Uint8Array {
  // A Buffer's slice shares its bytes.
  return Buffer.isBuffer(body) ? Buffer.from(body) : body.slice()
}

const skipped = (why: string): Found => ({ kind: 'verdict', verdict: { kind: 'skipped', why } })

function hopeless(reason: 'not-json' | 'not-an-event' | 'schema' | 'unknown-event', cause: unknown): Found {
  return { kind: 'verdict', verdict: { kind: 'hopeless', reason, error: asError(cause) } }
}
