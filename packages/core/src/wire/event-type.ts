import { CorebusError } from '../errors.ts'
import { checkOptions } from '../options/check.ts'
import { callable, isText, must, type Option, text } from '../options/option.ts'
import type { Envelope, EnvelopeIn, EnvelopeOut } from './foreign-envelope.ts'
import { changedByJson } from './plain.ts'
import { isSchema, type Schema } from './schema.ts'
import { checkTravels } from './travels.ts'
import { wireOf } from './wire-of.ts'

/** What a handler receives. `data` is the code side of the schema. */
export interface Event<Name extends string = string, Data = unknown> {
  readonly name: Name
  readonly data: Data
  /** When it was published, ISO 8601 in UTC. */
  readonly timestamp: string
  /** The service that published it. */
  readonly source: string
}

/** An event as its publishers and handlers know it, made by `defineEvent`. */
export interface EventType<Name extends string = string, Data = unknown> extends Envelope {
  readonly name: Name
  /** Without one it travels on the default topic. */
  readonly topic?: string
  /** The field of the data that is the message's key. */
  readonly key?: string
  /** From the code side to plain data. @throws CorebusError PAYLOAD_INVALID or SCHEMA_ASYNC */
  encode(data: unknown): unknown
  /** From parsed JSON to the code side. @throws CorebusError PAYLOAD_INVALID or SCHEMA_ASYNC */
  decode(wire: unknown): Data
}

/** `type UserCreated = EventOf<typeof UserCreated>` gives the event and its definition one name. */
export type EventOf<T> = T extends EventType<infer Name, infer Data> ? Event<Name, Data> : never

export interface EventTypeOptions<Data> {
  /** Where it is published unless the call says otherwise. Default: the default topic. */
  readonly topic?: string
  /** The field whose value becomes the message's key: events with the same one keep their order. */
  readonly key?: keyof Data & string
  /** Which event a message of others is: how the topic's events are read, where they do not travel as ours do. All events of a topic name the same. */
  readonly in?: EnvelopeIn
  /** How others have it written. With `in` alone publishing the event is an error (NO_OUT). */
  readonly out?: EnvelopeOut
}

/** Of an event, a topic and the app. */
export const ENVELOPE: Readonly<Record<keyof Envelope, Option>> = {
  in: {
    default: 'as ours are: `{ name, data, timestamp, source }`',
    must: callable,
    text: '`(message) => ({ name, data, id, timestamp, source })`, or undefined for what is not one of ours: which event a message of others is. It may be async, runs on each attempt and must be pure. See [envelopes](../how-to/envelopes.md)',
  },
  out: {
    default: 'as ours are; with `in` alone none (`NO_OUT`)',
    must: callable,
    text: '`({ name, data, id, timestamp, source, key, headers }) => ({ body, headers, properties, fields, key })`: how others have it written',
  },
}

export const EVENT_TYPE: Readonly<Record<keyof EventTypeOptions<unknown>, Option>> = {
  topic: { default: 'the default topic', must: text, text: 'where it is published' },
  key: {
    default: 'none',
    must: must('the name of a field of its data', isText),
    text: "the field of the data whose value becomes the message's key. It must hold a string or a number",
  },
  in: { ...ENVELOPE.in, default: "the topic's, else the app's" },
  out: { ...ENVELOPE.out, default: "the topic's, else the app's" },
}

/** @throws CorebusError EVENT_TYPE for what is neither a name nor a definition: mostly an import that is undefined yet, in a circle of files. */
export function checkEventType(type: unknown, what: string): void {
  if (typeof type === 'string') return
  const given = type as Partial<EventType> | null | undefined
  if (
    typeof given === 'object' &&
    typeof given?.name === 'string' &&
    typeof given.encode === 'function' &&
    typeof given.decode === 'function'
  )
    return
  const found = type === undefined ? 'undefined: do two files import each other?' : `${typeof type}`
  throw new CorebusError('EVENT_TYPE', `${what} needs an event made by defineEvent, or the name of one, and got ${found}`)
}

/**
 * Names an event and fixes the shape of its data, for publishers and handlers alike.
 * @throws CorebusError SCHEMA_NOT_JSON at once when a field could not travel as JSON (a Date, a bigint, a one-way transform).
 * @example
 * export const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.email() }), { topic: 'user-events', key: 'id' })
 * export type UserCreated = EventOf<typeof UserCreated>
 */
export function defineEvent<const Name extends string, Data>(
  name: Name,
  schema: Schema<Data>,
  options: EventTypeOptions<NoInfer<Data>> = {},
): EventType<Name, Data> {
  if (typeof name !== 'string' || name.trim() === '')
    throw new CorebusError('EVENT_TYPE', 'defineEvent needs a name: defineEvent("user.created", schema)')
  if (!isSchema(schema))
    throw new CorebusError('EVENT_TYPE', `event ${name} needs a schema of zod 4.1 or later, or of a library that speaks Standard Schema`)
  checkOptions(`event ${name}`, options, EVENT_TYPE)
  const { topic, key, in: read, out } = options
  const travels = checkTravels(`event ${name}`, schema)
  const { encode: encodeAny, decode } = wireOf(schema)
  const encode = travels === 'open' ? (data: unknown) => unchanged(encodeAny(data)) : encodeAny
  const named = { ...(topic !== undefined && { topic }), ...(key !== undefined && { key }) }
  return { name, ...named, ...(read && { in: read }), ...(out && { out }), encode, decode }
}

/** Where a schema takes anything, it is asked of the data. */
function unchanged(wire: unknown): unknown {
  const change = changedByJson(wire, 'kept')
  if (change) throw new CorebusError('PAYLOAD_NOT_JSON', `the payload would be changed by JSON: ${change}`)
  return wire
}
