import { CorebusError, recordMethod, type Schema } from '@corebus/core'
import type { Context } from 'hono'
import type { ActionContext, ActionOptions } from './action.ts'
import { isResponse } from './answer.ts'
import { cursorAt } from './cursor.ts'
import type { Refusal, Repository, RowQuery } from './repository.ts'
import { ViewSet } from './view-set.ts'

/** A page of a list. `next` is the `cursor` of the page behind it, null on the last one. */
export interface Page<Row> {
  readonly items: readonly Row[]
  readonly next: string | null
}

/** The context that `performCreate`, `performUpdate` and `performDestroy` receive beside the data. */
export interface PerformContext<Db = unknown> {
  /** The open session of the request: committed when it has answered, rolled back when it throws or answers 400 and above. */
  readonly db: Db
  readonly c: Context
}

/**
 * The six actions of a table: `GET /` with filters, sorting and pages, `POST /`, `GET`, `PUT`, `PATCH` and `DELETE /:id`. `performCreate`, `performUpdate`
 * and `performDestroy` are there to be overridden, also under `@event`, and to be called as `super`.
 * @example
 * class OrderViewSet extends ModelViewSet<Order, NewOrder, Tx> {
 *   readonly repository = orders
 *   override readonly schema = NewOrder
 *
 *   @event(OrderCreated)
 *   override performCreate(data: NewOrder, context: PerformContext<Tx>) {
 *     return super.performCreate({ ...data, total: totalOf(data.items) }, context)
 *   }
 * }
 */
export abstract class ModelViewSet<Row extends object, Data extends object = Partial<Row>, Db = unknown> extends ViewSet {
  // biome-ignore lint/suspicious/noExplicitAny: what is inserted may be more than what clients send, and `insert` is given what performCreate makes of it
  abstract readonly repository: Repository<Row, any, Db>
  /** The schema that a body of POST and PUT must fit. */
  readonly schema?: Schema<Data>
  /** The schema that a body of PATCH must fit. Default: `schema.partial()`, where the schema has it, as zod's objects do; its defaults are not for changes. */
  readonly changes?: Schema<Partial<Data>>
  /** Columns that a list can be filtered by: `?status=open&status=paid`. */
  readonly filters: readonly string[] = []
  /** Columns that a list can be sorted by, beside the key: `?sort=-total,id`. */
  readonly sorts: readonly string[] = []
  /** Rows in a page, unless `?limit=` says otherwise. Default 50. */
  readonly pageSize: number = 50
  /** The most that `?limit=` may ask for. Default 100. */
  readonly maxPageSize: number = 100

  /** Writes a new row. What it returns is answered. */
  performCreate(data: Data | Partial<Row>, { db }: PerformContext<Db>): Promise<Row> {
    return this.repository.insert(db, data)
  }

  /** Changes a row. What it returns is answered. @throws CorebusError NO_ROW, which is answered with 404 */
  async performUpdate(id: string, changes: Partial<Data> | Partial<Row>, { db }: PerformContext<Db>): Promise<Row> {
    return found(await this.repository.update(db, id, changes), id)
  }

  /** Removes a row, and returns it as it was. @throws CorebusError NO_ROW, which is answered with 404 */
  async performDestroy(id: string, { db }: PerformContext<Db>): Promise<Row> {
    return found(await this.repository.remove(db, id), id)
  }

  async list(_: Context, { db, query }: Pick<ActionContext<Db, unknown, RowQuery>, 'db' | 'query'>): Promise<Page<Row>> {
    const rows = await this.repository.list(db, { ...query, limit: query.limit + 1 })
    const items = rows.slice(0, query.limit)
    const last = items.at(-1)
    return { items, next: rows.length > items.length && last ? cursorAt(last, query.order) : null }
  }

  async retrieve(_: Context, { db, id }: Pick<ActionContext<Db>, 'db' | 'id'>): Promise<Row> {
    return found(await this.repository.find(db, id), id)
  }

  async create(c: Context, { db, body }: Pick<ActionContext<Db, Data>, 'db' | 'body'>): Promise<Response> {
    const row: Row | Response = await this.performCreate(body, { db, c })
    if (isResponse(row)) return row
    const id: unknown = Reflect.get(row, this.repository.key)
    return c.json(row, 201, id === undefined ? undefined : { Location: locationOf(c, id) })
  }

  update(c: Context, { db, id, body }: Pick<ActionContext<Db, Partial<Data>>, 'db' | 'id' | 'body'>): Promise<Row> {
    return this.performUpdate(id, body, { db, c })
  }

  partialUpdate(c: Context, { db, id, body }: Pick<ActionContext<Db, Partial<Data>>, 'db' | 'id' | 'body'>): Promise<Row> {
    return this.performUpdate(id, body, { db, c })
  }

  async destroy(c: Context, { db, id }: Pick<ActionContext<Db>, 'db' | 'id'>): Promise<Response | undefined> {
    const row: Row | Response = await this.performDestroy(id, { db, c })
    return isResponse(row) ? row : undefined
  }

  override answerTo(error: unknown, c: Context): Response | undefined {
    if (error instanceof CorebusError && error.code === 'NO_ROW') return c.json({ error: error.message }, 404)
    const refusal = this.repository.refusal?.(error)
    return refusal && c.json({ error: WORDS[refusal] }, refusal === 'value' ? 422 : 409)
  }
}

const WORDS: Readonly<Record<Refusal, string>> = {
  taken: 'there is one already with a value that must be unique',
  reference: 'it refers to something that is not there, or something that is there refers to it',
  value: 'the database does not take one of the values',
}

/** The routes. Their schemas are each class's own: `model.ts` gives them to `mount`. */
const ACTIONS = {
  list: { path: '' },
  create: { method: 'POST', path: '' },
  retrieve: { detail: true, path: '' },
  update: { method: 'PUT', detail: true, path: '' },
  partialUpdate: { method: 'PATCH', detail: true, path: '' },
  destroy: { method: 'DELETE', detail: true, path: '' },
} as const satisfies Record<string, ActionOptions>

for (const [name, options] of Object.entries(ACTIONS))
  recordMethod([ModelViewSet.prototype, name, Object.getOwnPropertyDescriptor(ModelViewSet.prototype, name)], 'action', options)

/** Returns the path of the row, below the path that was asked for. Half a surrogate pair cannot be written in a path. */
function locationOf(c: Context, id: unknown): string {
  const { pathname } = new URL(c.req.url)
  return `${pathname.replace(/\/$/, '')}/${encodeURIComponent(String(id).toWellFormed())}`
}

function found<Row>(row: Row | undefined, id: string): Row {
  if (row !== undefined) return row
  throw new CorebusError('NO_ROW', `there is nothing here with the id ${JSON.stringify(id)}`)
}
