import { callSite } from '../call-site.ts'
import type { RetryOptions } from '../consumer/retry.ts'
import { CorebusError } from '../errors.ts'
import type { Decode, GroupOptions, HandlerContext, HandlerFunction, HandlerSpec } from '../handler.ts'
import { type Schema, wireOf } from '../wire/schema.ts'
import { type Decorated, recordFunction, recordMethod } from './record.ts'

/** Decorates a method that takes `In` and, if it wants, the context. */
export interface HandlerDecorator<In> {
  // biome-ignore lint/suspicious/noExplicitAny: the context's Db is the method's own business; unknown would refuse HandlerContext<Tx>
  <This, M extends (this: This, input: In, context: HandlerContext<any>) => unknown>(
    value: M,
    context: ClassMethodDecoratorContext<This, M>,
  ): void
  // biome-ignore lint/suspicious/noExplicitAny: as above
  <M extends (input: In, context: HandlerContext<any>) => unknown>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void
}

export interface MessageHandlerOptions<In> extends RetryOptions {
  readonly topic: string | readonly string[]
  /** What does not fit goes to the dead letters at once. */
  readonly schema?: Schema<In>
  /** 'json' (default), 'text', 'bytes', or a function of the bytes and headers. */
  readonly decode?: Decode
}

/** For a function: its group, and the group's options. */
export interface FunctionOptions extends GroupOptions {
  /** Default: the service's name. */
  readonly group?: string
  /** `false`: runs only where its topic or group is named. Default true. */
  readonly autoStart?: boolean
}

export type MessageFunction<In, Db = unknown> = (message: In, context: HandlerContext<Db>) => unknown

/** On a method of a `@consumer` class: takes every message of the topics that no `@onEvent` of the group takes, as it is on the wire. */
export function messageHandler<In = unknown>(options: MessageHandlerOptions<In> & { schema: Schema<In> }): HandlerDecorator<In>
// biome-ignore lint/suspicious/noExplicitAny: without a schema nothing is known of the message, and the method says what it takes
export function messageHandler(options: MessageHandlerOptions<unknown> & { schema?: never }): HandlerDecorator<any>
/** As a function, for the default instance. */
export function messageHandler<In>(
  options: MessageHandlerOptions<In> & FunctionOptions & { schema: Schema<In> },
  handler: MessageFunction<In>,
): void
export function messageHandler(
  options: MessageHandlerOptions<unknown> & FunctionOptions & { schema?: never },
  // biome-ignore lint/suspicious/noExplicitAny: as above
  handler: MessageFunction<any>,
): void
export function messageHandler(options: MessageHandlerOptions<unknown> & FunctionOptions, ...handler: HandlerFunction[]): unknown {
  // Not by its value: a handler that is undefined, as in a circular import, must not make a decorator of this.
  if (handler.length > 0) return recordFunction(messageSpec(options, handler[0]))
  return (...decorated: Decorated): void => recordMethod(decorated, 'messageHandler', options)
}

const GROUP_OPTIONS = ['concurrency', 'maxUnsettled', 'ordering', 'from', 'unknown', 'handlerTimeoutMs'] as const
const RETRY_OPTIONS = ['maxRetries', 'retryDelayMs', 'backoff', 'retryIf', 'deadLetter'] as const

export function pickGroupOptions(options: GroupOptions): GroupOptions {
  return Object.fromEntries(GROUP_OPTIONS.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]))
}

export function pickRetryOptions(options: RetryOptions): RetryOptions {
  return Object.fromEntries(RETRY_OPTIONS.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]))
}

/** @throws CorebusError OPTION naming what is no option here: a misspelt one would be ignored in silence. */
export function checkOptions(where: string, options: object, ...known: readonly string[]): void {
  const all = [...known, ...GROUP_OPTIONS, ...RETRY_OPTIONS]
  const wrong = Object.keys(options).filter((name) => !all.includes(name))
  if (wrong.length > 0) throw new CorebusError('OPTION', `${where}: ${wrong.join(', ')} is no option here. There are: ${all.join(', ')}`)
}

export function checkMethodOptions(where: string, options: object, ...known: readonly string[]): void {
  const all = [...known, ...RETRY_OPTIONS]
  const wrong = Object.keys(options).filter((name) => !all.includes(name))
  if (wrong.length > 0) throw new CorebusError('OPTION', `${where}: ${wrong.join(', ')} is no option here. There are: ${all.join(', ')}`)
}

/** What a message handler listens to. */
export function messageOn({ topic, schema, decode = 'json' }: MessageHandlerOptions<unknown>): HandlerSpec['on'] {
  return { kind: 'message', topics: typeof topic === 'string' ? [topic] : topic, wire: schema && wireOf(schema), decode }
}

export function messageSpec(options: MessageHandlerOptions<unknown> & FunctionOptions, handler: HandlerFunction | undefined): HandlerSpec {
  const what = `messageHandler(${String(options.topic)})`
  if (typeof handler !== 'function') throw new CorebusError('HANDLERS', `${what} needs a function as its second argument`)
  const where = placeOf(handler, what)
  checkOptions(where, options, 'topic', 'schema', 'decode', 'group', 'autoStart')
  return {
    where,
    group: options.group,
    on: messageOn(options),
    classTopics: undefined,
    retry: [pickRetryOptions(options)],
    groupOptions: pickGroupOptions(options),
    autoStart: options.autoStart ?? true,
    bind: () => handler,
  }
}

/** For error messages: the function's name, else the line where it was registered. */
export function placeOf(handler: HandlerFunction, what: string): string {
  const at = callSite()?.split('/').slice(-2).join('/')
  return `${handler.name ? `${handler.name} (${what})` : what}${at ? ` at ${at}` : ''}`
}
