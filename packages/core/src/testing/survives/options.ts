import { callable, isText, must, type Option, text, whole } from '../../options/option.ts'

/** The options of `survives`, beside the handler's message. */
export interface SurvivesOptions {
  /**
   * The objects that the handler calls beside its session's `db`, by the names that findings have: objects with methods, or a class, which stands for its
   * instances. The methods are replaced while `survives` runs, and put back.
   */
  readonly outside?: Readonly<Record<string, object>>
  /** Only the handlers of this group. Default: every handler of the message. */
  readonly group?: string
  /** Only the handler of this name: `OrderEvents.welcome`, `welcome`, or what errors call it. */
  readonly handler?: string
  /** The content of a newer message of the same key, such as a later state. Default: the same content. */
  readonly newer?: unknown
  /** The key of the message, where its type does not say it. */
  readonly key?: string | number
  /** The topic, where the type does not say it. */
  readonly topic?: string
  /** Reads what cannot be read by itself, as a value or as lists by name: the rows of a database on a server, the state of a fake. */
  readonly snapshot?: () => unknown
  /** Brings what `survives` cannot put back to its beginning, before each history. The table of an inbox is part of that. */
  readonly reset?: () => unknown
  /**
   * The names that are not compared: tables, columns (`orders.created_at`), methods that only read (`gateway.find`), fields of events
   * (`order.created.at`).
   */
  readonly ignore?: readonly string[]
  /** Methods, events and topics that do no harm when they have the same content twice. A call with an idempotency key is known without this. */
  readonly idempotent?: readonly string[]
  /** In how many orders the calls of two runs at once are tried. Default 5. */
  readonly seeds?: number
  /** The first of them. Default 1. */
  readonly seed?: number
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null

/** Any number of names: none of them is what is meant where a test decides by itself. */
const names = must('an array of names', (value) => Array.isArray(value) && value.every(isText))

export const SURVIVES: Readonly<Record<keyof SurvivesOptions, Option>> = {
  outside: {
    default: 'none',
    must: must('an object of objects, by name', isObject),
    text: "`{ gateway }`: what the handler calls beside its session's `db`. Objects with methods, or a class, which stands for its instances. Their methods are replaced while `survives` runs, and put back. A database among them is compared by its rows, not by its calls",
  },
  group: { default: 'all', must: text, text: 'only the handlers of this group' },
  handler: { default: 'all', must: text, text: 'only the handler of this name: `OrderEvents.welcome`, `welcome`, or what errors call it' },
  newer: {
    default: 'the same content',
    must: must('the content of a message', () => true),
    text: 'the content of a newer message of the same key: a later state, which an older one must not replace',
  },
  key: {
    default: "the type's",
    must: must('a string or a number', (value) => typeof value === 'string' || typeof value === 'number'),
    text: 'the key of the message',
  },
  topic: { default: "the type's", must: text, text: 'the topic of the event' },
  snapshot: {
    default: 'the rows of the sessions, on SQLite and PGlite',
    must: callable,
    text: 'reads what cannot be read by itself, as a value or as lists by name: `async () => ({ orders: await allOrders() })`',
  },
  reset: {
    default: 'none',
    must: callable,
    text: 'brings what `survives` cannot put back to its beginning, before each history and at the end: a database on a server with the table of its inbox, the state of a fake',
  },
  ignore: {
    default: 'none',
    must: names,
    text: 'what is not compared: tables (`log`), columns (`orders.created_at`), methods that only read (`gateway.find`), fields of events (`order.created.at`)',
  },
  idempotent: {
    default: 'none',
    must: names,
    text: 'methods, events and topics that do no harm when they have the same content twice. A call with an idempotency key in its arguments is known without this',
  },
  seeds: { default: 5, must: whole(1, 1_000), text: 'in how many orders the calls of two runs at once are tried' },
  seed: { default: 1, must: whole(0, 2 ** 31), text: 'the first of them' },
}
