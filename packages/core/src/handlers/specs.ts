import { AUTO_START, GROUP, type GroupOptions, type GroupSaid } from '../config/group-options.ts'
import { RETRY, type RetryOptions } from '../config/retry-options.ts'
import { FROM, type From, readFrom } from '../config/source-options.ts'
import type { Source } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { checkOptions } from '../options/check.ts'
import { callable, flag, isTexts, must, needed, type Option, type Options, text, texts } from '../options/option.ts'
import { callSite } from '../process/call-site.ts'
import { SESSION_MODE, type SessionMode } from '../scope/session.ts'
import { checkEventType, type Event, type EventType } from '../wire/event-type.ts'
import { isSchema, type Schema } from '../wire/schema.ts'
import { wireOf } from '../wire/wire-of.ts'
import type { Decode, HandlerContext, HandlerFunction, HandlerSpec, InboxKey } from './handler.ts'

export interface MessageHandlerOptions<In> extends RetryOptions {
  readonly topic: string | readonly string[]
  /** What does not fit goes to the dead letters at once. */
  readonly schema?: Schema<In>
  /** 'json' (default), 'text', 'bytes', or a function of the bytes, the headers and what else the broker has of it. It may be async. */
  readonly decode?: Decode
  /** Where its group begins, or what of others its messages come from: `{ queue: 'shop.billing' }`. Default: what its class says, else 'earliest'. */
  readonly from?: From
  /** How it stands in a session. Default: what its class says, else true. */
  readonly session?: SessionMode
  /** `false`: its messages are handled without the inbox. Default: what its class says, else true where the instance has an inbox. */
  readonly inbox?: boolean
  /** What the inbox knows a message by, for messages of others without an id of their own. Default: what its class says, else the message's id. */
  readonly inboxKey?: InboxKey<NoInfer<In>>
}

/** For a function: its group, and the group's options. */
export interface FunctionOptions extends GroupOptions {
  /** Default: the service's name. */
  readonly group?: string
  /** `false`: runs only where its topic or group is named. Default true. */
  readonly autoStart?: boolean
}

export type MessageFunction<In, Db = unknown> = (message: In, context: HandlerContext<Db>) => unknown

/** Of a handler or a class. */
export const INBOX: Readonly<Record<'inbox' | 'inboxKey', Option>> = {
  inbox: {
    default: '`true` where there is one',
    must: flag,
    text: '`false`: messages are handled without the inbox, so one that comes twice is handled twice',
  },
  inboxKey: {
    default: "the message's id",
    must: callable,
    text: '`(message, { topic, key, id, headers }) => string`: what the inbox knows a message by, for messages of others without an id of their own. Anything but a string that is not empty is a failure of the handler (`INBOX_KEY`)',
  },
}

const DECODES: readonly unknown[] = ['json', 'text', 'bytes']

/** Of a handler of messages, beside its retry options. */
export const MESSAGE_HANDLER: Readonly<Record<keyof MessageHandlerOptions<unknown>, Option>> = {
  topic: { default: 'needed', must: needed('a string, or an array of strings', isTexts), text: 'one topic, or an array' },
  schema: {
    default: 'none',
    must: must('a schema (zod, or any Standard Schema)', isSchema),
    text: 'what does not fit goes to the dead letters at once',
  },
  decode: {
    default: "`'json'`",
    must: must("'json', 'text', 'bytes' or a function", (value) => typeof value === 'function' || DECODES.includes(value)),
    text: "`'json'`, `'text'`, `'bytes'`, or `(body, headers, { key, headers, properties, fields, routingKey, topic }) => value`, which may be async. Its third argument has bytes. What it throws makes the message a dead letter (`decode`); `RetryLater` asks for it again later. See [a schema registry](../how-to/schema-registry.md)",
  },
  from: { ...FROM, default: "its class's, else `'earliest'`" },
  session: { ...SESSION_MODE, default: "its class's, else `true`" },
  inbox: { ...INBOX.inbox, default: "its class's, else `true` where there is one" },
  inboxKey: { ...INBOX.inboxKey, default: "its class's, else the message's id" },
  ...RETRY,
}

/** Of a handler of events, beside its retry options. */
export const ON_EVENT: Readonly<Record<keyof OnEventOptions, Option>> = {
  topic: {
    default: "the event's topic, else the class's topics, else the default topic",
    must: texts,
    text: 'where the event is listened for: one, or an array',
  },
  from: { ...FROM, default: "its class's, else `'earliest'`" },
  session: { ...SESSION_MODE, default: "its class's, else `true`" },
  inbox: { ...INBOX.inbox, default: "its class's, else `true` where there is one" },
  inboxKey: { ...INBOX.inboxKey, default: "its class's, else the message's id" },
  ...RETRY,
}

/** What a function says beside that: its group, and the group's options. */
export const FUNCTION: Readonly<Record<keyof FunctionOptions, Option>> = {
  ...GROUP,
  autoStart: AUTO_START,
  group: { default: "the service's name", must: text, text: 'the group of this handler' },
}

const pick = <T extends object>(options: T, of: Options): T =>
  Object.fromEntries(Object.entries(options).filter(([name, value]) => Object.hasOwn(of, name) && value !== undefined)) as T

/** What is said of the group, and of what the handler's messages come from: the nearest says it. */
export function groupOf(
  said: GroupOptions,
  nearest: From | undefined = said.from,
): { groupOptions: GroupSaid; source: Source | undefined } {
  const { from, ...options } = pick(said, GROUP)
  const [near, far] = [readFrom(nearest), readFrom(from)]
  const start = near.start ?? far.start
  return { groupOptions: { ...options, ...(start !== undefined && { from: start }) }, source: near.source ?? far.source }
}

export const pickRetryOptions = (options: RetryOptions): RetryOptions => pick(options, RETRY)

/** What a message handler listens to. */
export function messageOn({ topic, schema, decode = 'json' }: MessageHandlerOptions<unknown>): HandlerSpec['on'] {
  return { kind: 'message', topics: typeof topic === 'string' ? [topic] : topic, wire: schema && wireOf(schema), decode }
}

export function messageSpec(options: MessageHandlerOptions<unknown> & FunctionOptions, handler: HandlerFunction | undefined): HandlerSpec {
  const what = `messageHandler(${String((options as typeof options | null)?.topic)})` // plain JavaScript may give null
  if (typeof handler !== 'function') throw new CorebusError('HANDLERS', `${what} needs a function as its second argument`)
  const at = callSite()
  const where = placeOf(handler, what, at)
  checkOptions(where, options, { ...MESSAGE_HANDLER, ...FUNCTION })
  return {
    where,
    at,
    group: options.group,
    on: messageOn(options),
    classTopics: undefined,
    retry: [pickRetryOptions(options)],
    ...groupOf(options),
    autoStart: options.autoStart ?? true,
    session: options.session,
    inbox: options.inbox,
    inboxKey: options.inboxKey as InboxKey | undefined,
    bind: () => handler,
  }
}

/** For error messages: the function's name, else the line where it was registered. */
function placeOf(handler: HandlerFunction, what: string, at: string | undefined): string {
  const short = at?.split('/').slice(-2).join('/')
  return `${handler.name ? `${handler.name} (${what})` : what}${short ? ` at ${short}` : ''}`
}

export interface OnEventOptions extends RetryOptions {
  /** Where the event is listened for. Default: the event type's topic, else the class's topics. */
  readonly topic?: string | readonly string[]
  /** Where its group begins, or what of others its messages come from: `{ queue: 'shop.billing' }`. Default: what its class says, else 'earliest'. */
  readonly from?: From
  /** How it stands in a session. Default: what its class says, else true. */
  readonly session?: SessionMode
  /** `false`: its messages are handled without the inbox. Default: what its class says, else true where the instance has an inbox. */
  readonly inbox?: boolean
  /** What the inbox knows a message by, for messages of others without an id of their own. Default: what its class says, else the message's id. */
  readonly inboxKey?: InboxKey<Event>
}

/** `messaging.on(...)` as a registration. */
export function eventSpec(type: EventType | string, options: OnEventOptions & FunctionOptions, handler: unknown): HandlerSpec {
  checkEventType(type, 'on')
  const name = typeof type === 'string' ? type : type.name
  if (typeof handler !== 'function') throw new CorebusError('HANDLERS', `on(${name}) needs a function as its third argument`)
  const at = callSite()
  const where = placeOf(handler as HandlerFunction, `on(${name})`, at)
  checkOptions(where, options, { ...ON_EVENT, ...FUNCTION })
  return {
    where,
    at,
    group: options.group,
    on: {
      kind: 'event',
      name,
      type: typeof type === 'string' ? undefined : type,
      topics: typeof options.topic === 'string' ? [options.topic] : options.topic,
    },
    classTopics: undefined,
    retry: [pickRetryOptions(options)],
    ...groupOf(options),
    autoStart: options.autoStart ?? true,
    session: options.session,
    inbox: options.inbox,
    inboxKey: options.inboxKey as InboxKey | undefined,
    bind: () => handler as HandlerFunction,
  }
}
