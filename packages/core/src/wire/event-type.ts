import { CorebusError } from '../errors.ts'
import { checkOptions } from '../options/check.ts'
import { isText, must, type Option, text } from '../options/option.ts'
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
export interface EventType<Name extends string = string, Data = unknown> {
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
}

export const EVENT_TYPE: Readonly<Record<keyof EventTypeOptions<unknown>, Option>> = {
  topic: { default: 'the default topic', must: text, text: 'where it is published' },
  key: {
    default: 'none',
    must: must('the name of a field of its data', isText),
    text: "the field of the data whose value becomes the message's key. It must hold a string or a number",
  },
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
  const { topic, key } = options
  const travels = checkTravels(`event ${name}`, schema)
  const { encode: encodeAny, decode } = wireOf(schema)
  const encode = travels === 'open' ? (data: unknown) => unchanged(encodeAny(data)) : encodeAny
  return { name, ...(topic !== undefined && { topic }), ...(key !== undefined && { key }), encode, decode }
}

/** Where a schema takes anything, it is asked of the data. */
function unchanged(wire: unknown): unknown {
  const change = changedByJson(wire, 'kept')
  if (change) throw new CorebusError('PAYLOAD_NOT_JSON', `the payload would be changed by JSON: ${change}`)
  return wire
}
