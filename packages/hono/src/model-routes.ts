import type { Schema } from '@corebus/core'
import { callable, checkOptions, having, must, type Option, whole } from '@corebus/core/internal'
import { Hono } from 'hono'
import type { JSONParsed } from 'hono/utils/types'
import { ACTION } from './action.ts'
import type { InputOf, OutputOf, Refused } from './json-body.ts'
import { ModelViewSet, type Page, type PerformContext } from './model-view-set.ts'
import { MOUNT, type MountOptions, mount } from './mount.ts'
import type { Repository } from './repository.ts'
import type { RequestMessaging } from './request-scope.ts'

export type ModelAction = 'list' | 'retrieve' | 'create' | 'update' | 'partialUpdate' | 'destroy'

/** The options of a model's routes: what a ModelViewSet has. A hook that is left out writes with the repository. */
export interface ModelRoutesOptions<Row extends object, S extends Schema, Db, Only extends ModelAction>
  extends Omit<MountOptions, 'resolve' | 'messaging'> {
  // biome-ignore lint/suspicious/noExplicitAny: as in ModelViewSet
  readonly repository: Repository<Row, any, NoInfer<Db>>
  readonly schema?: S
  readonly changes?: Schema<Partial<OutputOf<S>>>
  readonly filters?: readonly (keyof NoInfer<Row> & string)[]
  readonly sorts?: readonly (keyof NoInfer<Row> & string)[]
  readonly pageSize?: number
  readonly maxPageSize?: number
  /** The actions that are routes. Default: all. */
  readonly only?: readonly Only[]
  readonly messaging?: RequestMessaging<Db> & NonNullable<MountOptions['messaging']>
  performCreate?(data: OutputOf<S>, context: PerformContext<NoInfer<Db>>): Promise<NoInfer<Row>>
  performUpdate?(id: string, changes: Partial<OutputOf<S>>, context: PerformContext<NoInfer<Db>>): Promise<NoInfer<Row>>
  performDestroy?(id: string, context: PerformContext<NoInfer<Db>>): Promise<NoInfer<Row>>
}

const names = must('an array of names', (value) => Array.isArray(value) && value.every((name) => typeof name === 'string'))

export const MODEL_ROUTES: Readonly<Record<keyof ModelRoutesOptions<object, Schema, unknown, ModelAction>, Option>> = {
  repository: { default: '', must: having('list', 'find', 'insert', 'update', 'remove'), text: 'the table, as `sqlRepository()` gives it' },
  schema: { ...ACTION.body, default: '', text: 'what a body of POST and PUT must fit' },
  changes: { ...ACTION.body, default: '`schema.partial()`', text: 'what a body of PATCH must fit' },
  filters: { default: 'none', must: names, text: 'columns that a list can be filtered by: `?status=open&status=paid`' },
  sorts: { default: 'the key', must: names, text: 'columns that a list can be sorted by: `?sort=-total,id`' },
  pageSize: { default: '50', must: whole(1, 10_000), text: 'rows in a page, unless `?limit=` says otherwise' },
  maxPageSize: { default: '100', must: whole(1, 10_000), text: 'the most that `?limit=` may ask for' },
  only: { default: 'all six', must: names, text: 'the actions that are routes' },
  messaging: MOUNT.messaging,
  maxBodyBytes: MOUNT.maxBodyBytes,
  performCreate: { default: 'inserts', must: callable, text: '`(data, { db, c })`: writes a new row and returns it' },
  performUpdate: { default: 'updates', must: callable, text: '`(id, changes, { db, c })`: changes a row and returns it' },
  performDestroy: { default: 'removes', must: callable, text: '`(id, { db, c })`: removes a row and returns it' },
}

type Answers<Input, Ok, Status extends number, Failed extends number> =
  | { input: Input; output: Ok; outputFormat: 'json'; status: Status }
  | { input: Input; output: Refused; outputFormat: 'json'; status: Failed }
type OfOne<More = unknown> = { param: { id: string } } & More
type ListInput<Row> = { query?: { limit?: string; cursor?: string; sort?: string } & { [Name in keyof Row & string]?: string | string[] } }

interface OfAll<Row, In> {
  list: { $get: Answers<ListInput<Row>, JSONParsed<Page<Row>>, 200, 422> }
  create: { $post: Answers<{ json: In }, JSONParsed<Row>, 201, 400 | 409 | 413 | 415 | 422> }
}
interface OfId<Row, In> {
  retrieve: { $get: Answers<OfOne, JSONParsed<Row>, 200, 404> }
  update: { $put: Answers<OfOne<{ json: In }>, JSONParsed<Row>, 200, 400 | 404 | 409 | 413 | 415 | 422> }
  partialUpdate: { $patch: Answers<OfOne<{ json: Partial<In> }>, JSONParsed<Row>, 200, 400 | 404 | 409 | 413 | 415 | 422> }
  destroy: { $delete: Answers<OfOne, null, 204, 404 | 409> }
}
/** The methods of the actions that are offered, in one object. */
type Offered<Routes, Only> = {
  [Action in keyof Routes as Action extends Only ? keyof Routes[Action] : never]: Routes[Action][keyof Routes[Action]]
}

/** As Hono would have it of six routes that were written one by one. */
export type ModelRoutes<Row, In, Only = ModelAction> = {
  '/': Offered<OfAll<Row, In>, Only>
  '/:id': Offered<OfId<Row, In>, Only>
}

/**
 * The routes of a ModelViewSet without a class, for `app.route(path, modelRoutes({ ... }))`. They are typed for `hc`.
 * @throws CorebusError OPTION, and what `mount` throws
 * @example
 * const app = new Hono().route('/users', modelRoutes({
 *   repository: users,
 *   schema: NewUser,
 *   async performCreate(data, { db }) {
 *     const user = await users.insert(db, data)
 *     emit(UserCreated, user)
 *     return user
 *   },
 * }))
 * export type App = typeof app      // hc<App>(url).users.$post({ json: { email } })
 */
export function modelRoutes<Row extends object, S extends Schema<object>, Db = unknown, const Only extends ModelAction = ModelAction>(
  options: ModelRoutesOptions<Row, S, Db, Only>,
): Hono<object, ModelRoutes<Row, InputOf<S>, Only>, '/'> {
  checkOptions('modelRoutes', options, MODEL_ROUTES)
  const { messaging, maxBodyBytes, only, ...model } = options
  class Model extends ModelViewSet<object, object> {
    static override readonly only = only
    readonly repository = model.repository as Repository<object>
  }
  Object.defineProperty(Model, 'name', { value: 'modelRoutes' })
  const app = new Hono()
  mount(app, '/', Model, {
    ...(messaging && { messaging }),
    ...(maxBodyBytes !== undefined && { maxBodyBytes }),
    resolve: (Class) => Object.assign(new (Class as never as new () => Model)(), model) as never,
  })
  return app as never // mount adds what the type says
}
