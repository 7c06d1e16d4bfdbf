import { type Class, CorebusError, methodsOf } from '@corebus/core'
import { checkOptions } from '@corebus/core/internal'
import { ACTION, type ActionMethod, type ActionOptions } from './action.ts'
import type { ViewSetClass } from './view-set.ts'

/** One method and path of an action. */
export interface Route {
  /** For messages to people: `UserViewSet.register`. */
  readonly where: string
  readonly action: string
  readonly method: ActionMethod
  readonly path: string
  readonly options: ActionOptions
}

const METHODS: readonly string[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] satisfies ActionMethod[]

/**
 * The routes of a class and its ancestors, those with fixed names before those with parameters: Hono takes the first that fits, and
 * `/users/:id` would take what is meant for `/users/me`.
 * @throws CorebusError ACTIONS for a class without actions, OPTION for wrong options, ROUTE_TAKEN for two actions on one method and path
 */
export function routesOf(type: ViewSetClass, prefix: string): readonly Route[] {
  const routes = offeredBy(type).flatMap(({ method, options }) => routesOfAction(`${type.name}.${method}`, method, options, prefix))
  if (routes.length === 0) throw new CorebusError('ACTIONS', `${type.name} has no actions: give it a method with @action`)
  const taken = new Map<string, string>()
  for (const route of routes) claim(taken, route)
  return routes.toSorted((a, b) => (openness(a.path) < openness(b.path) ? -1 : openness(a.path) > openness(b.path) ? 1 : 0))
}

/** @throws CorebusError ROUTE_TAKEN naming both */
export function claim(taken: Map<string, string>, { where, method, path }: Route): void {
  // What a parameter is called does not tell two routes apart.
  const place = `${method} ${path.replace(/:\w+/g, ':')}`
  const other = taken.get(place)
  if (other !== undefined)
    throw new CorebusError('ROUTE_TAKEN', `${other} and ${where} are both ${method} ${path}: give one of them another path or method`)
  taken.set(place, where)
}

/**
 * Returns the actions that a class offers. What it decorates itself is a route; of what it inherits, `only` may say which.
 * @throws CorebusError ACTIONS for a name in it that is none of an action
 */
function offeredBy(type: ViewSetClass): ReturnType<typeof actionsOf> {
  const actions = actionsOf(type)
  const { only } = type
  if (only === undefined) return actions
  const unknown = only.filter((name) => !actions.some(({ method }) => method === name))
  if (unknown.length > 0) throw new CorebusError('ACTIONS', `${type.name}.only names ${unknown.join(', ')}, which is no action of it`)
  const inherited = new Set(actionsOf(aboveOnly(type)).map(({ options }) => options))
  return actions.filter(({ method, options }) => only.includes(method) || !inherited.has(options))
}

/** The parent of the class that says `only`. */
function aboveOnly(type: ViewSetClass): Class {
  let at: object = type
  while (!Object.hasOwn(at, 'only')) at = Object.getPrototypeOf(at)
  return Object.getPrototypeOf(at)
}

/** The nearest class that says `@action` of a method decides; an override without one keeps its ancestor's. */
function actionsOf(type: Class): readonly { readonly method: string; readonly options: ActionOptions }[] {
  const found = new Map<string, ActionOptions[]>()
  for (let at: unknown = type; typeof at === 'function' && at !== Function.prototype; at = Object.getPrototypeOf(at)) {
    const here = Map.groupBy(methodsOf(at as unknown as Class, 'action'), ({ method }) => method)
    for (const [method, records] of here)
      if (!found.has(method))
        found.set(
          method,
          records.map(({ options }) => options as ActionOptions),
        )
  }
  return [...found].flatMap(([method, all]) => all.map((options) => ({ method, options })))
}

function routesOfAction(where: string, action: string, options: ActionOptions, prefix: string): readonly Route[] {
  checkOptions(`@action ${where}`, options, ACTION)
  const path = joined(prefix, options.detail ? ':id' : '', options.path ?? action)
  return methodsFor(where, options).map((method) => ({ where, action, method, path, options }))
}

function methodsFor(where: string, { method, methods, body }: ActionOptions): readonly ActionMethod[] {
  if (method !== undefined && methods !== undefined)
    throw new CorebusError('OPTION', `@action ${where}: method is short for methods, give one of them`)
  const all = methods ?? [method ?? 'GET']
  if (all.length === 0) throw new CorebusError('OPTION', `@action ${where}: methods is empty, so it would never be called`)
  const unknown = all.filter((one) => !METHODS.includes(one))
  if (unknown.length > 0)
    throw new CorebusError(
      'OPTION',
      `@action ${where}: ${unknown.join(', ')} is no method here. There are: ${METHODS.join(', ')} (HEAD is answered from GET)`,
    )
  if (body !== undefined && all.includes('GET'))
    throw new CorebusError('OPTION', `@action ${where}: a GET request has no body. Give methods, or a query schema`)
  return all
}

function joined(...parts: readonly string[]): string {
  const path = parts
    .flatMap((part) => part.split('/'))
    .filter((segment) => segment !== '')
    .join('/')
  return `/${path}`
}

/** Sorts by the first segment that differs in kind: a name, a parameter with a pattern, a parameter, a wildcard. */
function openness(path: string): string {
  return path
    .split('/')
    .map((segment) => (segment.startsWith('*') ? '3' : !segment.startsWith(':') ? '0' : segment.includes('{') ? '1' : '2'))
    .join('')
}
