import { type Decorated, recordMethod, type Schema, type SessionMode } from '@corebus/core'
import { flag, must, type Option, SESSION_MODE } from '@corebus/core/internal'
import type { Context } from 'hono'

/** HEAD is answered by Hono from GET. */
export type ActionMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

export interface ActionOptions<Body = unknown, Query = unknown> {
  /** Default `['GET']`. */
  readonly methods?: readonly ActionMethod[]
  /** One method: short for `methods`. */
  readonly method?: ActionMethod
  /** About one thing: the path is behind `/:id`. Default false. */
  readonly detail?: boolean
  /** Below the prefix of `mount`, and below `/:id` for `detail`. `''` is the prefix, or `/:id`, itself. Default: the method's name. */
  readonly path?: string
  /** What the JSON body must fit; 422 with the issues otherwise, 400 for what is no JSON. Its size is for Hono's `bodyLimit`. */
  readonly body?: Schema<Body>
  /** What the query must fit. Its values are strings, and arrays of them where a name is given more than once. */
  readonly query?: Schema<Query>
  /** How the request stands in a session. Default: GET in the reading one, where there is one; all others in a session. */
  readonly session?: SessionMode
}

const isText = (value: unknown): boolean => typeof value === 'string'
const schema = must(
  'a schema (zod, or any Standard Schema)',
  (value) => ((typeof value === 'object' && value !== null) || typeof value === 'function') && '~standard' in value,
)

export const ACTION: Readonly<Record<keyof ActionOptions, Option>> = {
  methods: {
    default: "`['GET']`",
    must: must('an array of HTTP methods', (value) => Array.isArray(value) && value.every(isText)),
    text: 'HTTP methods',
  },
  method: { default: '', must: must('an HTTP method', isText), text: 'one method: short for `methods`' },
  detail: { default: '`false`', must: flag, text: '`true`: the path is behind `/:id`' },
  path: { default: "the method's name", must: must('a string', isText), text: "below the prefix; `''` is the prefix itself" },
  body: {
    default: 'none',
    must: schema,
    text: 'a schema. What does not fit is answered with 422 and the issues, what is no JSON with 400, another content-type with 415',
  },
  query: {
    default: 'none',
    must: schema,
    text: 'a schema of the query, whose values are strings, and arrays where a name is repeated',
  },
  session: { ...SESSION_MODE, default: "`'read'` for GET, `true` for all others" },
}

/** What an action receives beside Hono's context. `Db` is what the configured session opens. */
export interface ActionContext<Db = unknown, Body = unknown, Query = unknown> {
  /** The open session of this request: committed when the action has answered, rolled back when it throws or answers 400 and above. */
  readonly db: Db
  /**
   * With `session: 'manual'`: runs `work` in a session, once, committed when it resolves, whatever the action answers. What was recorded meanwhile has
   * happened then, and leaves when the request is over.
   * @throws CorebusError SESSION_TWICE for a second call and where the request stands in a session; NO_SESSION where there is none
   */
  readonly session: <T>(work: (db: Db) => Promise<T>) => Promise<T>
  /** The code side of the body, checked. `undefined` without a `body` schema. */
  readonly body: Body
  /** The code side of the query, checked. `undefined` without a `query` schema. */
  readonly query: Query
  /** The `:names` of the path. */
  readonly params: Readonly<Record<string, string>>
  /** The `:id` of the path. Reading it in an action whose path has none throws. */
  readonly id: string
}

/** Decorates a method that takes Hono's context and, if it wants, the action's, with a body and query that fit the schemas. */
export interface ActionDecorator<Body, Query> {
  // biome-ignore lint/suspicious/noExplicitAny: environment and session are the method's own business; unknown would refuse every narrower one
  <This, M extends (this: This, c: Context<any, any, any>, context: ActionContext<any, Body, Query>) => unknown>(
    value: M,
    context: ClassMethodDecoratorContext<This, M>,
  ): void
  // biome-ignore lint/suspicious/noExplicitAny: as above
  <M extends (c: Context<any, any, any>, context: ActionContext<any, Body, Query>) => unknown>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void
}

/**
 * Makes a method of a ViewSet a route: `GET <prefix>/<name of the method>` unless said otherwise. What it returns is answered as JSON with
 * 200, or 201 from POST; nothing as 204; a Response as it is. Together with `@event`, in either order, what it returns is published too.
 */
export function action<Body = undefined, Query = undefined>(options: ActionOptions<Body, Query> = {}): ActionDecorator<Body, Query> {
  return (...decorated: Decorated): void => recordMethod(decorated, 'action', options)
}
