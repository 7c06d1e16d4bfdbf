import { CorebusError, type Schema } from '@corebus/core'
import type { ActionOptions } from './action.ts'
import { changesIn } from './changes.ts'
import { listQuery, RESERVED } from './list-query.ts'
import type { ModelViewSet } from './model-view-set.ts'
import type { Route } from './routes.ts'

/** The hook that an action calls: what stands on the hook holds for the route. */
export const HOOKS: Readonly<Record<string, string>> = {
  create: 'performCreate',
  update: 'performUpdate',
  partialUpdate: 'performUpdate',
  destroy: 'performDestroy',
}

type Model = ModelViewSet<object, object>
type Checks = Pick<ActionOptions, 'body' | 'query'>

/**
 * What the requests of a model's routes must fit, by action. An action of the class's own, under `@action`, says it itself.
 * @throws CorebusError MODEL for what the class offers and cannot do
 */
export function modelChecks(model: Model, routes: readonly Route[]): Readonly<Record<string, Checks>> {
  const offers = new Set(routes.map(({ action }) => action))
  const wrong = (what: string) => new CorebusError('MODEL', `${model.constructor.name} ${what}`)
  checkColumns(model, wrong)
  const { schema, changes = schema && changesIn(schema) } = model
  const needed = <T>(found: T | undefined, action: string, what: string): T | undefined => {
    if (found === undefined && offers.has(action))
      throw wrong(`offers ${action} and has no ${what}: give it one, or leave ${action} out of \`only\``)
    return found
  }
  const body = (of: Schema | undefined): Checks => (of ? { body: of } : {})
  return {
    list: { query: listQuery(model) },
    create: body(needed(schema, 'create', 'schema')),
    update: body(needed(schema, 'update', 'schema')),
    partialUpdate: body(needed(changes, 'partialUpdate', 'schema with partial() and no changes')),
  }
}

function checkColumns({ repository, filters, sorts, pageSize, maxPageSize }: Model, wrong: (what: string) => CorebusError): void {
  if (typeof repository?.list !== 'function') throw wrong('has no repository')
  const columns = Object.keys(repository.columns)
  const unknown = [...filters, ...sorts].filter((name) => !columns.includes(name))
  if (unknown.length > 0) throw wrong(`filters or sorts by ${unknown.join(', ')}, and its repository has ${columns.join(', ')}`)
  const reserved = filters.filter((name) => RESERVED.includes(name))
  if (reserved.length > 0) throw wrong(`filters by ${reserved.join(', ')}, which means something else in the query of a list`)
  if (!(Number.isInteger(pageSize) && pageSize >= 1 && Number.isInteger(maxPageSize) && pageSize <= maxPageSize))
    throw wrong(`has pageSize ${pageSize} and maxPageSize ${maxPageSize}: whole numbers, the first from 1 to the second`)
}
