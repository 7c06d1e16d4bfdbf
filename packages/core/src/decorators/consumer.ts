import { AUTO_START, GROUP, type GroupOptions } from '../config/group-options.ts'
import { RETRY, type RetryOptions } from '../config/retry-options.ts'
import type { From } from '../config/source-options.ts'
import { CorebusError } from '../errors.ts'
import type { HandlerFunction, HandlerSpec, InboxKey, Resolve } from '../handlers/handler.ts'
import {
  groupOf,
  INBOX,
  MESSAGE_HANDLER,
  type MessageHandlerOptions,
  messageOn,
  ON_EVENT,
  type OnEventOptions,
  pickRetryOptions,
} from '../handlers/specs.ts'
import { checkOptions } from '../options/check.ts'
import { isText, must, type Option } from '../options/option.ts'
import { callSite } from '../process/call-site.ts'
import { type Class, registry } from '../process/registry.ts'
import { SESSION_MODE, type SessionMode } from '../scope/session.ts'
import { checkEventType, type Event, type EventType } from '../wire/event-type.ts'
import type { HandlerDecorator } from './message-handler.ts'
import { classRecordOf, type MethodRecord, methodsOf, orphans, recordClass, recordMethod } from './record.ts'
export interface ConsumerOptions extends GroupOptions, RetryOptions {
  /** Default: the topics of its handlers. A handler whose event travels elsewhere is an error at start. */
  readonly topics?: readonly string[]
  /** `false`: runs only where its topic or group is named. Default true. */
  readonly autoStart?: boolean
  /** How its handlers stand in a session, unless they say it themselves. Default true. */
  readonly session?: SessionMode
  /** `false`: its messages are handled without the inbox, unless a handler says otherwise. */
  readonly inbox?: boolean
  /** What the inbox knows their messages by, unless a handler says it itself. Default: the message's id. */
  readonly inboxKey?: InboxKey
}

/** The options that a class takes beside those of its group and the defaults for its handlers. */
export const CONSUMER: Readonly<Record<keyof ConsumerOptions, Option>> = {
  topics: {
    default: 'the topics of its handlers',
    must: must('an array of topics', (value) => Array.isArray(value) && value.every(isText)),
    text: "the topics of the class. A handler whose event travels elsewhere is an error at start. Needed for `@onEvent('name')` without a definition and without a topic, unless there is a default topic",
  },
  autoStart: AUTO_START,
  session: SESSION_MODE,
  ...INBOX,
  ...GROUP,
  ...RETRY,
}

const OF_THE_CLASS = Object.fromEntries(
  [...Object.keys(GROUP), 'autoStart', 'group', 'topics'].map((name) => [name, 'is an option of the group: give it to @consumer']),
)

export type ClassDecorator = (value: Class, context?: ClassDecoratorContext) => void

interface ConsumerRecord {
  /** As it was written: another decorator may have put a class without a name in its place. */
  readonly name: string
  readonly at: string | undefined
  readonly group: string
  readonly options: ConsumerOptions
}

/** Makes the class a consumer: its handlers form the group, one instance per process, started by `npx corebus consumer` or `messaging.start()`. */
export function consumer(group: string, options: ConsumerOptions = {}): ClassDecorator {
  // Plain JavaScript may give null, which is said at start.
  const autoStart = (options as ConsumerOptions | null)?.autoStart ?? true
  return (value, context) => {
    const record: ConsumerRecord = { name: value.name, at: callSite(), group, options }
    sayIfAgain(record)
    recordClass(value, record, { autoStart, context })
  }
}

/** A function that is registered again after the start is an error. Of a class it is only said, since it may belong to an instance that is yet to start. */
function sayIfAgain({ name, at }: ConsumerRecord): void {
  if (!registry.started || at === undefined) return
  if (![...registry.classes.values()].some((one) => (one as ConsumerRecord).at === at && (one as ConsumerRecord).name === name)) return
  const running = registry.messaging as { readonly messaging: { readonly logger: { warn(line: string): void } } } | undefined
  running?.messaging.logger.warn(
    `@consumer ${name} at ${at} was registered before, and runs as it was: its module was evaluated again after the start. Restart the process to run what has changed`,
  )
}

/** Handles one event: decoded and checked by its schema. By name, without a definition, in every topic of the class. */
export function onEvent<Name extends string, Data>(
  type: EventType<Name, Data>,
  options?: OnEventOptions,
): HandlerDecorator<Event<Name, Data>>
// biome-ignore lint/suspicious/noExplicitAny: by name nothing is known of the data, and the method says what it takes
export function onEvent(name: string, options?: OnEventOptions): HandlerDecorator<any>
export function onEvent(type: EventType | string, options: OnEventOptions = {}): HandlerDecorator<never> {
  return ((...decorated: Parameters<typeof recordMethod>[0]) =>
    recordMethod(decorated, 'onEvent', { type, options })) as HandlerDecorator<never>
}

/**
 * The handlers of these classes.
 * @throws CorebusError HANDLERS for a class that is no consumer or has no handlers.
 */
export function classSpecs(classes: Iterable<Class>): readonly HandlerSpec[] {
  return [...classes].flatMap((type) => {
    const record = classRecordOf(type) as ConsumerRecord | undefined
    if (!record) throw new CorebusError('HANDLERS', `${type.name} is listed as a handler, but has no @consumer(group)`)
    const methods = [...methodsOf(type, 'onEvent'), ...methodsOf(type, 'messageHandler')]
    if (methods.length === 0)
      throw new CorebusError('HANDLERS', `@consumer ${record.name} has no handlers: give it a method with @onEvent or @messageHandler`)
    checkOptions(`@consumer ${record.name}`, record.options, CONSUMER)
    return methods.map((method) => methodSpec(type, record, method))
  })
}

function methodSpec(
  type: Class,
  { name, at, group, options }: ConsumerRecord,
  { method, key, kind, options: own }: MethodRecord,
): HandlerSpec {
  const where = `${name}.${method}`
  const { on, retry, from, session, inbox, inboxKey } =
    kind === 'onEvent'
      ? eventOn(where, own as { type: EventType | string; options: OnEventOptions })
      : messagesOn(where, own as MessageHandlerOptions<unknown>)
  return {
    where,
    at,
    group,
    on,
    classTopics: options.topics,
    retry: [retry, pickRetryOptions(options)],
    ...groupOf(options, from),
    autoStart: options.autoStart ?? true,
    session: session ?? options.session,
    inbox: inbox ?? options.inbox,
    inboxKey: inboxKey ?? options.inboxKey,
    bind: async (resolve) => bindMethod(await instanceOf(type, resolve), key, where),
  }
}

interface OnMethod extends Pick<HandlerSpec, 'on' | 'session' | 'inbox' | 'inboxKey'> {
  readonly retry: RetryOptions
  readonly from: From | undefined
}

function messagesOn(where: string, options: MessageHandlerOptions<unknown>): OnMethod {
  checkOptions(`@messageHandler ${where}`, options, MESSAGE_HANDLER, OF_THE_CLASS)
  return { on: messageOn(options), ...saidOf(options) }
}

function eventOn(where: string, { type, options }: { type: EventType | string; options: OnEventOptions }): OnMethod {
  checkEventType(type, `@onEvent ${where}`)
  checkOptions(`@onEvent ${where}`, options, ON_EVENT, OF_THE_CLASS)
  const topics = typeof options.topic === 'string' ? [options.topic] : options.topic
  const on = typeof type === 'string' ? { name: type, type: undefined } : { name: type.name, type }
  return { on: { kind: 'event', ...on, topics }, ...saidOf(options) }
}

function saidOf(options: MessageHandlerOptions<unknown> | OnEventOptions): Omit<OnMethod, 'on'> {
  const { from, session, inbox, inboxKey } = options
  return { retry: pickRetryOptions(options), from, session, inbox, inboxKey: inboxKey as InboxKey | undefined }
}

async function instanceOf(type: Class, resolve: Resolve): Promise<object> {
  return resolve(type as new (...args: never[]) => object)
}

function bindMethod(instance: object, key: string | symbol, where: string): HandlerFunction {
  const fn = (instance as Record<string | symbol, unknown>)[key]
  if (typeof fn !== 'function')
    throw new CorebusError('HANDLERS', `${where} is not a method of what resolve returned (${instance.constructor?.name})`)
  return (input, context) => fn.call(instance, input, context)
}

/** @throws CorebusError HANDLERS for a decorated method whose class has no `@consumer`: it would never be called. */
export function checkOrphans(): void {
  const lost = orphans(['onEvent', 'messageHandler'])
  if (lost.length > 0)
    throw new CorebusError(
      'HANDLERS',
      `${lost.join(', ')}: the class has no @consumer(group), so it would never be called. Decorate the class`,
    )
}
