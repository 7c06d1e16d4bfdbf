/** What `survives` is told beside the handler's message. */
export interface SurvivesOptions {
  /**
   * What the handler calls beside its session's `db`, by the names that findings have: objects with methods, or a class, which stands for its instances.
   * The methods are replaced while `survives` runs, and put back.
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
  /** Brings what `survives` cannot bring back to its beginning, before each history. A database's inbox is part of that. */
  readonly reset?: () => unknown
  /** What is not compared: tables, columns (`orders.created_at`), methods that only read (`gateway.find`), fields of events (`order.created.at`). */
  readonly ignore?: readonly string[]
  /** Methods and topics that do no harm when they get the same twice. A call with an idempotency key in its arguments is known without this. */
  readonly idempotent?: readonly string[]
  /** How many orders of two runs at once are tried, and the seed of the first. Default 5 from 1. */
  readonly seeds?: number
  readonly seed?: number
}
