import { AsyncLocalStorage } from 'node:async_hooks'
import type { Config } from '../config/config.ts'
import { refuseNamesakes } from '../config/names-options.ts'
import { asError, CorebusError } from '../errors.ts'
import { checkOptions } from '../options/check.ts'
import { flag, type Option, text } from '../options/option.ts'
import { isThenable } from '../process/thenable.ts'
import { outFor } from '../publish/foreign-event.ts'
import type { Owner } from '../scope/publishing.ts'
import { NO_OUTBOX } from '../scope/session.ts'
import { checkEventType, type EventType } from '../wire/event-type.ts'
import { type Decorated, recordMethod } from './record.ts'

/** What `@event` may stand on: methods that return the event's data, a typed JSON response with it, or a response that says the request failed. */
export interface ResultDecorator<Out> {
  // biome-ignore lint/suspicious/noExplicitAny: the parameters are the method's own business, and TypeScript asks for any here
  <This, M extends (this: This, ...args: any[]) => Returned<Out>>(value: M, context: ClassMethodDecoratorContext<This, M>): void
  // biome-ignore lint/suspicious/noExplicitAny: as above
  <M extends (...args: any[]) => Returned<Out>>(target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<M>): void
}

export type Returned<Out> = Answer<Out> | Promise<Answer<Out>>
type Answer<Out> = Out | JsonResponse<Out> | FailedResponse
/** What Hono's `c.json(data)` returns. */
type JsonResponse<Out> = { readonly _data: Out; json(): Promise<unknown> }
type FailedResponse = { readonly _data: unknown; readonly _status: FailedStatus; json(): Promise<unknown> }
/** 400 to 599, as `c.json(data, 404)` has it in its type. */
type FailedStatus = NumberIn<`${4 | 5}${Digit}${Digit}`>
type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9
type NumberIn<Text extends string> = Text extends `${infer N extends number}` ? N : never

export interface EventDecoratorOptions<Data = Record<string, unknown>> {
  /** Default: the event type's topic, else the default topic. */
  readonly topic?: string
  /** The field of the result that is the message's key. Default: the event type's. */
  readonly keyField?: keyof Data & string
  /**
   * `true`: it is written into the outbox, in the session that is open where the method returns; an error where there is none. `false`: it leaves after the
   * commit, without the outbox. Default: written where there is an outbox and a session that writes.
   */
  readonly outbox?: boolean
}

export const EVENT_DECORATOR: Readonly<Record<keyof EventDecoratorOptions | 'includeResult', Option>> = {
  topic: {
    default: "the event's topic, else the default topic",
    must: text,
    text: 'an event without any is an error at start (`TOPIC_MISSING`)',
  },
  keyField: {
    default: "the event's `key`",
    must: text,
    text: "the field of the result that is the message's key. `KEY_MISSING` when the result lacks it",
  },
  outbox: {
    default: '`true` where there is an outbox and a session that writes',
    must: flag,
    text: '`true`: written in the transaction of the request; an error at `mount` and `start` without an outbox or such a session. `false`: it leaves after the response, as without an outbox',
  },
  includeResult: {
    default: '`true`',
    must: flag,
    text: 'by name only. `false` publishes `"data": {}`; the key still comes from the result',
  },
}

/** As `@event` keeps it: what `checkEvents` reads at start. */
export interface EventRecord {
  readonly type: EventType | string
  readonly topic?: string
  readonly keyField?: string
  readonly outbox?: boolean
  readonly includeResult: boolean
}

/** Records the event for the instance whose it is. */
let emitReturned: Owner['emitReturned'] | undefined

/** Set by default.ts, which a decorator cannot import: it would make an instance by being imported. */
export function onEventReturned(emit: Owner['emitReturned']): void {
  emitReturned = emit
}

/** The call that publishes. An override that calls its `super` is one occurrence, not two; two events on one method are two. */
const calls = new AsyncLocalStorage<{ self: unknown; method: string; home: unknown }>()

/**
 * Publishes what the method returns, as an event, once the response is out (see scope.ts). A method that throws or answers 400 and above
 * publishes nothing; a result that does not fit the schema, or lacks its key, fails the request with an error that names event and method.
 */
export function event<Name extends string, Data>(type: EventType<Name, Data>, options?: EventDecoratorOptions<Data>): ResultDecorator<Data>
/** By name, without a schema. `includeResult: false` publishes `"data": {}`; the key still comes from the result. */
export function event(name: string, options?: EventDecoratorOptions & { readonly includeResult?: boolean }): ResultDecorator<unknown>
export function event(
  type: EventType | string,
  options: EventDecoratorOptions & { includeResult?: boolean } = {},
): ResultDecorator<unknown> {
  // Plain JavaScript may give null, which is an error as soon as it is known where.
  const { topic, keyField, outbox, includeResult = true } = (options as typeof options | null) ?? {}
  const own: EventRecord = {
    type,
    includeResult,
    ...(topic !== undefined && { topic }),
    ...(keyField !== undefined && { keyField }),
    ...(outbox !== undefined && { outbox }),
  }
  const decorate = (...decorated: Decorated): unknown => {
    recordMethod(decorated, 'event', own)
    const [target, contextOrKey, descriptor] = decorated
    const legacy = descriptor as PropertyDescriptor | undefined
    const method = legacy ? legacy.value : target
    const name = String(
      typeof contextOrKey === 'object' && contextOrKey !== null && 'name' in contextOrKey ? contextOrKey.name : contextOrKey,
    )
    checkEventType(type, `@event on ${name}`)
    checkOptions(`@event ${typeof type === 'string' ? type : type.name} on ${name}`, options, EVENT_DECORATOR)
    // What stands for the class while it is being made: its prototype, or its metadata.
    const home = legacy ? target : (contextOrKey as ClassMethodDecoratorContext).metadata
    const wrapped = wrap(method as Method, name, own, home)
    if (!legacy) return wrapped
    legacy.value = wrapped
    return legacy
  }
  return decorate as ResultDecorator<unknown>
}

type Method = (this: unknown, ...args: unknown[]) => unknown

function wrap(method: Method, name: string, own: EventRecord, home: unknown): Method {
  const wrapped = function (this: unknown, ...args: unknown[]): unknown {
    const outer = calls.getStore()
    if (outer && outer.self === this && outer.method === name && outer.home !== home) return method.apply(this, args)
    const result = calls.run({ self: this, method: name, home }, () => method.apply(this, args))
    const where = `${ownerOf(this)}${name}`
    if (isThenable(result)) return result.then((value: unknown) => returned(value, own, where))
    return returned(result, own, where)
  }
  // Stack traces show its name.
  return Object.defineProperty(carrying(wrapped, method), 'name', { value: name })
}

/**
 * What others wrote on the method is on what stands for it: frameworks keep guards, routes and parameters there, as properties or with
 * reflect-metadata, and read them from what the class has. So is its number of parameters.
 */
function carrying(wrapped: Method, method: Method): Method {
  for (const key of Reflect.ownKeys(method))
    if (Object.getOwnPropertyDescriptor(wrapped, key)?.configurable !== false)
      // The properties of a frozen method are copied as writable ones: other decorators may write on the wrapper.
      Object.defineProperty(wrapped, key, { ...Object.getOwnPropertyDescriptor(method, key), configurable: true })
  for (const key of Reflect.getOwnMetadataKeys(method)) Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, method), wrapped)
  return wrapped
}

function returned(result: unknown, own: EventRecord, where: string): unknown {
  if (!isResponse(result)) {
    keep(own, dataOf(result, own.type), where)
    return result
  }
  if (result.status >= 400) return result
  return jsonOf(result, own, where).then((data) => {
    keep(own, data, where)
    return result
  })
}

/** By its tag: servers replace the global Response, and what fetch returns is still the old one. */
function isResponse(value: unknown): value is Response {
  return Object.prototype.toString.call(value) === '[object Response]'
}

/** The code side of what was returned. A response and what `toJSON` writes are the wire side already. */
function dataOf(result: unknown, type: EventType | string): unknown {
  const writes =
    typeof result === 'object' && result !== null && 'toJSON' in result && typeof result.toJSON === 'function'
      ? (result.toJSON as () => unknown)
      : undefined
  if (!writes) return result
  const wire = writes.call(result)
  return typeof type === 'string' ? wire : type.decode(wire)
}

async function jsonOf(response: Response, { type, includeResult, keyField }: EventRecord, where: string): Promise<unknown> {
  if (!includeResult && keyField === undefined) return {}
  try {
    const wire: unknown = await response.clone().json()
    return typeof type === 'string' ? wire : type.decode(wire)
  } catch (cause) {
    throw named(
      where,
      type,
      new CorebusError('PAYLOAD_INVALID', `the JSON body of its response cannot be the data: ${asError(cause).message}`, { cause }),
    )
  }
}

function keep(own: EventRecord, data: unknown, where: string): void {
  const { type, topic, keyField, includeResult, outbox } = own
  try {
    if (!emitReturned) throw new CorebusError('NOT_READY', 'import @corebus/core before using @event')
    if (data === undefined && includeResult)
      throw new CorebusError('PAYLOAD_INVALID', 'the method returned nothing: return the data, or set includeResult: false')
    const key = keyField === undefined ? undefined : keyFrom(data, keyField)
    const options = { ...(topic !== undefined && { topic }), ...(key !== undefined && { key }) }
    emitReturned(type, includeResult ? data : {}, options, outbox)
  } catch (thrown) {
    throw named(where, type, asError(thrown))
  }
}

function keyFrom(data: unknown, field: string): string | number {
  const value = typeof data === 'object' && data !== null && field in data ? (data as Record<string, unknown>)[field] : undefined
  if (typeof value === 'string' || typeof value === 'number') return value
  throw new CorebusError(
    'KEY_MISSING',
    `its key field "${field}" must be a string or a number in the result, and is ${value === undefined ? 'missing' : typeof value}`,
  )
}

function named(where: string, type: EventType | string, cause: Error): CorebusError {
  const name = typeof type === 'string' ? type : type.name
  const code = cause instanceof CorebusError ? cause.code : 'PAYLOAD_INVALID'
  return new CorebusError(code, `@event ${name} on ${where}: ${cause.message}`, { cause })
}

function ownerOf(self: unknown): string {
  return typeof self === 'object' && self !== null ? `${self.constructor.name}.` : ''
}

interface Recorded {
  readonly where: string
  readonly record: EventRecord
}

/**
 * @throws CorebusError TOPIC_MISSING naming every `@event` method that has no topic, when there is no default one either; NO_OUT, ENVELOPE or CONFIG
 * naming those whose event cannot be published to its topic
 */
export function checkEvents(
  { defaultTopic, formats, namesakes }: Pick<Config, 'defaultTopic' | 'formats' | 'namesakes'>,
  eventRecords: () => readonly Recorded[],
): void {
  const unwritable = eventRecords().flatMap(({ where, record }) => {
    const { type, topic = (typeof type === 'string' ? undefined : type.topic) ?? defaultTopic } = record
    const error = topic === undefined ? undefined : whyNotWritten(type, topic, { formats, namesakes })
    return error ? [{ error, text: `${recorded({ where, record })}: ${error.message}` }] : []
  })
  if (unwritable[0]) throw new CorebusError(unwritable[0].error.code, unwritable.map(({ text }) => text).join('; '))
  if (defaultTopic !== undefined) return
  const without = eventRecords().filter(
    ({ record: { type, topic } }) => topic === undefined && (typeof type === 'string' || type.topic === undefined),
  )
  if (without.length === 0) return
  const list = without.map(recorded).join(', ')
  throw new CorebusError(
    'TOPIC_MISSING',
    `${list}: no topic. Give { topic } there or to defineEvent, or set defaultTopic or MESSAGING_DEFAULT_TOPIC`,
  )
}

/** @throws CorebusError OUTBOX_MISSING naming every `@event` method with `outbox: true`, for an instance that has none */
export function refuseOutbox(eventRecords: () => readonly Recorded[]): void {
  const writing = eventRecords().filter(({ record }) => record.outbox)
  if (writing.length > 0)
    throw new CorebusError('OUTBOX_MISSING', `${writing.map(recorded).join(', ')}: outbox: true, ${NO_OUTBOX}, or leave this out`)
}

function whyNotWritten(
  type: EventType | string,
  topic: string,
  { formats, namesakes }: Pick<Config, 'formats' | 'namesakes'>,
): CorebusError | undefined {
  try {
    refuseNamesakes([topic], namesakes)
    outFor(type, topic, { formats })
    return undefined
  } catch (thrown) {
    if (thrown instanceof CorebusError) return thrown
    throw thrown
  }
}

function recorded({ where, record: { type } }: Recorded): string {
  return `@event ${typeof type === 'string' ? type : type.name} on ${where}`
}
