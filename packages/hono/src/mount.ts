import { CorebusError, defaultMessaging, type EventDecoratorOptions, type Messaging, methodsOf, type RouteToCheck } from '@corebus/core'
import { callable, checkOptions, having, type Option } from '@corebus/core/internal'
import type { Context, Env, Hono, Schema } from 'hono'
import type { ActionContext } from './action.ts'
import { inputOf } from './input.ts'
import { requestIdOf } from './request-id.ts'
import { inRequestScope, modeFor, modeOf, type Opened, openIn, type RequestMessaging, refuseOther } from './request-scope.ts'
import { claim, type Route, routesOf } from './routes.ts'
import type { ViewSet, ViewSetClass } from './view-set.ts'

export interface MountOptions {
  /** Where `@event` publishes and what opens the session. Default: the default instance. */
  readonly messaging?: RequestMessaging & Pick<Messaging, 'resolve' | 'check' | 'begin' | 'logger'>
  /** Makes the instance. Default: the instance's `resolve`, else `new`. */
  readonly resolve?: <T extends object>(type: new (...args: never[]) => T) => T | Promise<T>
}

export const MOUNT: Readonly<Record<keyof MountOptions, Option>> = {
  messaging: {
    default: 'the default instance',
    must: having('openRequest', 'resolve', 'check', 'begin'),
    text: 'where `@event` publishes, and what opens the session',
  },
  resolve: { default: "the instance's", must: callable, text: 'makes the ViewSet' },
}

type Method = (this: ViewSet, c: Context, context: ActionContext) => unknown

/** By app: the routes of everything mounted there. */
const mounted = new WeakMap<object, Map<string, string>>()

/**
 * Adds the actions of a ViewSet as routes below `prefix`. Each request gets its scope and session here, once its body and query have been
 * checked, unless `requestScope` is in use for it already.
 * @throws CorebusError ACTIONS, OPTION, ROUTE_TAKEN for what is wrong with its actions; RESOLVE for a constructor with arguments and no
 * `resolve`; TOPIC_MISSING for an `@event` method without a topic; SESSION_MODE for one with `outbox: true` whose route has no session that writes
 */
export function mount<E extends Env, S extends Schema, P extends string>(
  app: Hono<E, S, P>,
  prefix: string,
  type: ViewSetClass,
  options: MountOptions = {},
): void {
  checkOptions(`mount(${type.name})`, options, MOUNT)
  const { messaging = defaultMessaging() } = options
  const { resolve = messaging.resolve } = options
  const routes = routesOf(type, prefix)
  messaging.check(routes.map((route) => toCheck(type, route)))
  const instance = instanceOf(type, routes, resolve, messaging)
  const taken = new Map(mounted.get(app))
  for (const route of routes) claim(taken, route)
  mounted.set(app, taken)
  messaging.begin()
  for (const route of routes) app.on(route.method, [route.path], (c) => serve(c, route, instance, messaging))
}

/** What its `@event` says of the outbox is checked with what its request opens. */
function toCheck(type: ViewSetClass, { where, action, method, options: { session } }: Route): RouteToCheck {
  const writesOutbox = methodsOf(type, 'event').some(
    ({ method: of, options }) => of === action && (options as EventDecoratorOptions | null)?.outbox === true,
  )
  // Without one that was given, a GET only asks for a reading session, and may get one that writes.
  const mode = session ?? (writesOutbox ? modeOf(method) : undefined)
  return { where: `@action ${where}`, session: mode, writesOutbox }
}

async function serve(c: Context, route: Route, making: ViewSet | Promise<ViewSet>, messaging: RequestMessaging): Promise<Response> {
  requestIdOf(c)
  const instance = await making
  const input = await inputOf(c, route.options)
  if ('refused' in input) return input.refused
  const call = async (opened: Opened): Promise<Response> => {
    const method = methodOf(instance, route)
    return answer(c, await method.call(instance, c, contextOf(c, route, { ...input, opened })))
  }
  const open = openIn(c, messaging)
  if (open) {
    refuseOther(open, `@action ${route.where}`, route.options.session)
    return call(open)
  }
  return inRequestScope(c, messaging, route.options.session ?? modeFor(c), call)
}

function contextOf(
  c: Context,
  { where, path }: Route,
  { opened, body, query }: Pick<ActionContext, 'body' | 'query'> & { readonly opened: Opened },
): ActionContext {
  const params = c.req.param()
  return {
    body,
    query,
    params,
    session: opened.session,
    get db() {
      return opened.db
    },
    get id() {
      const { id } = params
      if (id === undefined)
        throw new CorebusError('NO_ID', `${where} reads id, and its path ${path} has no :id. Set detail: true, or name it in the path`)
      return id
    },
  }
}

function answer(c: Context, result: unknown): Response {
  if (isResponse(result)) return result
  if (result === undefined) return c.body(null, 204)
  return c.json(result as object, c.req.method === 'POST' ? 201 : 200) // JSON.stringify decides what travels
}

/** By its tag: servers replace the global Response, and what fetch returns is still the old one. */
function isResponse(value: unknown): value is Response {
  return Object.prototype.toString.call(value) === '[object Response]'
}

function instanceOf(
  type: ViewSetClass,
  routes: readonly Route[],
  resolve: NonNullable<MountOptions['resolve']>,
  { logger }: Pick<Messaging, 'logger'>,
): ViewSet | Promise<ViewSet> {
  const made = resolve(type)
  const complete = (instance: ViewSet): ViewSet => {
    for (const route of routes) methodOf(instance, route)
    return instance
  }
  if (!(made instanceof Promise)) return complete(made)
  const making = made.then(complete)
  // Every request rejects with it too, but this is where it is seen before the first.
  making.catch((error: unknown) =>
    logger.error({ err: error }, `resolve could not make ${type.name}: its routes will answer with an error`),
  )
  return making
}

function methodOf(instance: ViewSet, { where, action }: Route): Method {
  const method = (instance as Record<string, unknown>)[action]
  if (typeof method !== 'function')
    throw new CorebusError('RESOLVE', `${where} is not a method of what resolve returned (${instance?.constructor?.name})`)
  return method as Method // every @action method has this shape
}
