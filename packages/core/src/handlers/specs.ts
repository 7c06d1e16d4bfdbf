import { CorebusError } from '../errors.ts'
import { callSite } from '../process/call-site.ts'
import type { EventType } from '../wire/event-type.ts'
import { type Schema, wireOf } from '../wire/schema.ts'
import type { Decode, GroupOptions, HandlerContext, HandlerFunction, HandlerSpec } from './handler.ts'
import type { RetryOptions } from './retry.ts'
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

export const GROUP_OPTIONS = ['concurrency', 'maxUnsettled', 'ordering', 'from', 'unknown', 'handlerTimeoutMs'] as const

export const RETRY_OPTIONS = ['maxRetries', 'retryDelayMs', 'backoff', 'retryIf', 'deadLetter'] as const

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

export interface OnEventOptions extends RetryOptions {
  /** Where the event is listened for. Default: the event type's topic, else the class's topics. */
  readonly topic?: string | readonly string[]
}

/** `messaging.on(...)` as a registration. */
export function eventSpec(type: EventType | string, options: OnEventOptions & FunctionOptions, handler: unknown): HandlerSpec {
  const name = typeof type === 'string' ? type : type.name
  if (typeof handler !== 'function') throw new CorebusError('HANDLERS', `on(${name}) needs a function as its third argument`)
  const where = placeOf(handler as HandlerFunction, `on(${name})`)
  checkOptions(where, options, 'topic', 'group', 'autoStart')
  return {
    where,
    group: options.group,
    on: {
      kind: 'event',
      name,
      type: typeof type === 'string' ? undefined : type,
      topics: typeof options.topic === 'string' ? [options.topic] : options.topic,
    },
    classTopics: undefined,
    retry: [pickRetryOptions(options)],
    groupOptions: pickGroupOptions(options),
    autoStart: options.autoStart ?? true,
    bind: () => handler as HandlerFunction,
  }
}
