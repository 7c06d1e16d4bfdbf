import type { Message, Properties, Target } from '../driver.ts'
import { asError, CorebusError } from '../errors.ts'
import { isObject } from '../options/option.ts'
import type { SendOptions } from '../scope/publishing.ts'
import { currentScope } from '../scope/scope.ts'
import type { EventType } from '../wire/event-type.ts'
import { HEADER, RESERVED_PREFIX } from '../wire/headers.ts'
import { LONGEST_ID, newId } from '../wire/id.ts'
import { checkName } from '../wire/names.ts'
import type { Fields, Formats, MessageToWrite } from '../wire/topic-formats.ts'

export interface OutgoingDefaults {
  readonly service: string
  readonly defaultTopic?: string | undefined
  readonly maxBytes: number
  /** How messages look, where that is not as ours do. */
  readonly formats?: Formats | undefined
  /** The events with an envelope of their own that were published, one of each topic. */
  readonly enveloped?: Map<string, EventType<string, unknown>> | undefined
  now(): number
}

/** What there is to a message beside what its caller says. */
export interface Content {
  readonly body: Uint8Array
  readonly kind: 'json' | 'bytes' | 'tombstone'
  /** As the envelope of an event has them. What is said of the call, and then of the topic, comes before. */
  readonly fields?: Message['fields'] | undefined
}

/** The message as drivers get it. @throws CorebusError for whatever does not fit: the topic, the key, headers, the size. */
export function outgoing(what: string, topic: string, content: Content, options: SendOptions, defaults: OutgoingDefaults): Message {
  const { key, headers, id, correlationId } = options
  const { body, kind } = content
  checkName('topic', topic)
  if (typeof key === 'number' && !Number.isFinite(key)) throw new CorebusError('KEY_MISSING', `${what} for ${topic}: its key is ${key}`)
  checkIds(what, topic, { id, correlationId })
  const scope = currentScope()
  const messageId = id ?? newId(defaults.now())
  const all: Record<string, string> = { ...headers }
  if (headers) checkHeaders(headers, topic)
  if (kind === 'json' && !(headers && saysContentType(headers))) all[HEADER.contentType] = 'application/json'
  all[HEADER.correlation] = correlationId ?? scope?.correlationId ?? messageId
  if (scope?.causationId !== undefined) all[HEADER.causation] = scope.causationId
  const message: Message = {
    id: messageId,
    topic,
    ...(key !== undefined && { key: String(key) }),
    headers: all,
    body,
    ...(kind === 'tombstone' && { tombstone: true as const }),
  }
  const said = withPlace(what, message, options)
  const whole = withFields(said, content, options.fields ?? (content.fields ? undefined : defaults.formats?.topics.get(topic)?.fields))
  const bytes = sizeOf(whole)
  if (bytes > defaults.maxBytes)
    throw new CorebusError(
      'TOO_LARGE',
      `${what} for ${topic} has ${bytes} bytes, at most ${defaults.maxBytes} are allowed (maxBytes). Send a reference to the data instead`,
    )
  return whole
}

/** Where it goes instead of to its topic, and what AMQP has beside headers. */
function withPlace(what: string, message: Message, { exchange, routingKey, properties }: SendOptions): Message {
  if (exchange === undefined && routingKey === undefined && properties === undefined) return message
  if (exchange === undefined && routingKey !== undefined)
    throw new CorebusError(
      'OPTION',
      `${what} for ${message.topic} has a routingKey and no exchange: give both, and exchange: '' for the default exchange, whose routing keys are names of queues`,
    )
  const only = (['expiration', 'priority'] as const).filter((name) => properties?.[name] !== undefined)
  if (exchange === undefined && only.length > 0)
    throw new CorebusError(
      'OPTION',
      `${what} for ${message.topic} has properties.${only.join(' and properties.')}, which only go together with { exchange, routingKey }: in a topic of ours what expires or overtakes would be lost, or out of order. Leave it out, or publish to an exchange of your own`,
    )
  const target: Target | undefined = exchange === undefined ? undefined : { exchange, ...(routingKey !== undefined && { routingKey }) }
  const given = properties && withoutUndefined(properties)
  return { ...message, ...(target && { target }), ...(given && Object.keys(given).length > 0 && { properties: given }) }
}

function withoutUndefined(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined))
}

/** Written on Redis; other brokers leave them out. */
function withFields(message: Message, { fields: written }: Content, make: Fields | undefined): Message {
  if (!make) return written ? { ...message, fields: checkedFields(written, message) } : message
  const { id, key, headers, body } = message
  const given: MessageToWrite = { id, key, headers, body }
  try {
    return { ...message, fields: checkedFields(make(given), message) }
  } catch (thrown) {
    if (thrown instanceof CorebusError) throw thrown
    throw new CorebusError('OPTION', `fields failed for a message of ${message.topic}: ${asError(thrown).message}`, { cause: thrown })
  }
}

function checkedFields(fields: unknown, { topic }: Message): NonNullable<Message['fields']> {
  const isValue = (value: unknown) => typeof value === 'string' || value instanceof Uint8Array
  if (isObject(fields) && Object.keys(fields).length > 0 && Object.values(fields).every(isValue))
    return fields as NonNullable<Message['fields']>
  throw new CorebusError(
    'OPTION',
    `fields of a message of ${topic} must be an object of strings and Uint8Arrays, with one of them at least`,
  )
}

function checkIds(what: string, topic: string, ids: Pick<SendOptions, 'id' | 'correlationId'>): void {
  for (const name of ['id', 'correlationId'] as const) {
    const length = ids[name]?.length ?? 0
    if (length > LONGEST_ID)
      throw new CorebusError('TOO_LARGE', `${what} for ${topic}: its ${name} has ${length} characters, at most ${LONGEST_ID} are possible`)
  }
}

function saysContentType(headers: Readonly<Record<string, string>>): boolean {
  return Object.keys(headers).some((name) => name.toLowerCase() === HEADER.contentType)
}

function checkHeaders(headers: Readonly<Record<string, string>>, topic: string): void {
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase().startsWith(RESERVED_PREFIX))
      throw new CorebusError(
        'HEADER_RESERVED',
        `header "${name}" for ${topic}: names beginning with ${RESERVED_PREFIX} are Corebus's own, choose another`,
      )
    if (name === '' || typeof value !== 'string')
      throw new CorebusError('HEADER', `header "${name}" for ${topic} must have a name and a string as its value`)
  }
}

/** Body, key and headers, or the fields of one's own that Redis has instead of them, in bytes: whichever is more. */
export function sizeOf({ body, key, headers, fields }: Message): number {
  let bytes = body.byteLength
  if (key !== undefined) bytes += Buffer.byteLength(key)
  for (const name in headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(headers[name] as string)
  let inFields = 0
  for (const name in fields) inFields += Buffer.byteLength(name) + Buffer.byteLength(fields[name] as string | Uint8Array)
  return Math.max(bytes, inFields)
}
