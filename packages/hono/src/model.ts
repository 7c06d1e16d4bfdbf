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
 * Returns what the requests of a model's routes must fit, by action. An action of the class's own, under `@action`, says it itself.
 * @throws CorebusError MODEL for what the class offers and cannot do
 */
export function modelChecks(model: Model, routes: readonly Route[]): Readonly<Record<string, Checks>> {
  const offers = new Set(routes.map(({ action }) => action))
  const wrong: Wrong = (what) => new CorebusError('MODEL', `${model.constructor.name} ${what}`)
  checkColumns(model, wrong)
  const { schema, changes } = model
  const body = (action: string, of: () => Schema | undefined): Checks => {
    if (!offers.has(action)) return {}
    const found = of()
    if (!found) throw wrong(`offers ${action} and has no schema: give it one, or leave ${action} out of \`only\``)
    return { body: found }
  }
  return {
    list: { query: listQuery(model) },
    create: body('create', () => schema),
    update: body('update', () => schema),
    partialUpdate: body('partialUpdate', () => changes ?? (schema && partOf(schema, wrong))),
  }
}

type Wrong = (what: string) => CorebusError

function partOf(schema: Schema, wrong: Wrong): Schema {
  const why = (what: string): CorebusError =>
    wrong(`offers partialUpdate, and its schema ${what}. Give it \`changes\`, which a body of PATCH must fit`)
  let found: Schema | undefined
  try {
    found = changesIn(schema)
  } catch (thrown) {
    throw why(`has a partial() that fails: ${(thrown as Error).message}`)
  }
  if (!found) throw why('has no partial()')
  return found
}

function checkColumns({ repository, filters, sorts, pageSize, maxPageSize }: Model, wrong: Wrong): void {
  if (typeof repository?.list !== 'function') throw wrong('has no repository')
  const columns = Object.keys(repository.columns)
  const unknown = [...filters, ...sorts].filter((name) => !columns.includes(name))
  if (unknown.length > 0) throw wrong(`filters or sorts by ${unknown.join(', ')}, and its repository has ${columns.join(', ')}`)
  const reserved = filters.filter((name) => RESERVED.includes(name))
  if (reserved.length > 0) throw wrong(`filters by ${reserved.join(', ')}, which means something else in the query of a list`)
  if (!(Number.isInteger(pageSize) && pageSize >= 1 && Number.isInteger(maxPageSize) && pageSize <= maxPageSize))
    throw wrong(`has pageSize ${pageSize} and maxPageSize ${maxPageSize}: whole numbers, the first from 1 to the second`)
}
