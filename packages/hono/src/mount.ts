import { CorebusError, defaultMessaging, type EventDecoratorOptions, type Messaging, methodsOf, type RouteToCheck } from '@corebus/core'
import { callable, checkOptions, having, type Option, whole } from '@corebus/core/internal'
import type { Context, Env, Hono, Schema } from 'hono'
import type { ActionContext, ActionOptions } from './action.ts'
import { answer } from './answer.ts'
import { inputOf, MAX_BODY_BYTES } from './input.ts'
import { HOOKS, modelChecks } from './model.ts'
import { ModelViewSet } from './model-view-set.ts'
import { requestIdOf } from './request-id.ts'
import { inRequestScope, modeFor, modeOf, type Opened, openIn, type RequestMessaging, refuseOther } from './request-scope.ts'
import { claim, type Route, routesOf } from './routes.ts'
import type { ViewSet, ViewSetClass } from './view-set.ts'

export interface MountOptions {
  /** Where `@event` publishes and what opens the session. Default: the default instance. */
  readonly messaging?: RequestMessaging & Pick<Messaging, 'resolve' | 'check' | 'begin' | 'logger'>
  /** Makes the instance. Default: the instance's `resolve`, else `new`. */
  readonly resolve?: <T extends object>(type: new (...args: never[]) => T) => T | Promise<T>
  /** The most that a body may have; 413 for more. Default 1 MiB. */
  readonly maxBodyBytes?: number
}

export const MOUNT: Readonly<Record<keyof MountOptions, Option>> = {
  messaging: {
    default: 'the default instance',
    must: having('openRequest', 'resolve', 'check', 'begin'),
    text: 'where `@event` publishes, and what opens the session',
  },
  resolve: { default: "the instance's", must: callable, text: 'makes the ViewSet' },
  maxBodyBytes: { default: '1,048,576', must: whole(1, 2 ** 30), text: 'the most bytes that a body may have; 413 for more' },
}

/** The instance of the class, and what requests must fit by action where `@action` does not say it. */
interface Made {
  readonly instance: ViewSet
  readonly checks: Readonly<Record<string, Pick<ActionOptions, 'body' | 'query'>>>
}

type Method = (this: ViewSet, c: Context, context: ActionContext) => unknown

/** By app: the routes of everything mounted there. */
const mounted = new WeakMap<object, Map<string, string>>()

/**
 * Adds the actions of a ViewSet as routes below `prefix`. Each request gets its scope and session here, once its body and query have been
 * checked, unless `requestScope` is in use for it already.
 * @throws CorebusError ACTIONS, OPTION, ROUTE_TAKEN for what is wrong with its actions; RESOLVE for a constructor with arguments and no
 * `resolve`; MODEL for a model that cannot do what it offers; TOPIC_MISSING for an `@event` method without a topic; SESSION_MODE for one with `outbox: true` whose route has no session that writes
 */
export function mount<E extends Env, S extends Schema, P extends string>(
  app: Hono<E, S, P>,
  prefix: string,
  type: ViewSetClass,
  options: MountOptions = {},
): void {
  checkOptions(`mount(${type.name})`, options, MOUNT)
  const { messaging = defaultMessaging(), maxBodyBytes = MAX_BODY_BYTES } = options
  const { resolve = messaging.resolve } = options
  const routes = routesOf(type, prefix)
  messaging.check(routes.map((route) => toCheck(type, route)))
  const made = madeOf(type, routes, resolve, messaging)
  const taken = new Map(mounted.get(app))
  for (const route of routes) claim(taken, route)
  mounted.set(app, taken)
  messaging.begin()
  for (const route of routes) app.on(route.method, [route.path], (c) => serve(c, route, { made, messaging, maxBodyBytes }))
}

/** What its `@event` says of the outbox is checked with what its request opens. */
function toCheck(type: ViewSetClass, { where, action, method, options: { session } }: Route): RouteToCheck {
  const writesOutbox = methodsOf(type, 'event').some(
    ({ method: of, options }) => (of === action || of === HOOKS[action]) && (options as EventDecoratorOptions | null)?.outbox === true,
  )
  // Without one that was given, a GET only asks for a reading session, and may get one that writes.
  const mode = session ?? (writesOutbox ? modeOf(method) : undefined)
  return { where: `@action ${where}`, session: mode, writesOutbox }
}

interface Serving {
  readonly made: Made | Promise<Made>
  readonly messaging: RequestMessaging
  readonly maxBodyBytes: number
}

async function serve(c: Context, route: Route, { made, messaging, maxBodyBytes }: Serving): Promise<Response> {
  requestIdOf(c)
  const { instance, checks } = await made
  const input = await inputOf(c, { ...checks[route.action], ...route.options, maxBodyBytes })
  if ('refused' in input) return input.refused
  const call = async (opened: Opened): Promise<Response> => {
    const method = methodOf(instance, route)
    return answer(c, await method.call(instance, c, contextOf(c, route, { ...input, opened })))
  }
  try {
    const open = openIn(c, messaging)
    if (!open) return await inRequestScope(c, messaging, route.options.session ?? modeFor(c), call)
    refuseOther(open, `@action ${route.where}`, route.options.session)
    return await call(open)
  } catch (thrown) {
    // A session that is open here has been rolled back by now; one around this is, by what is answered.
    const answered = instance.answerTo?.(thrown, c)
    if (answered) return answered
    throw thrown
  }
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

function madeOf(
  type: ViewSetClass,
  routes: readonly Route[],
  resolve: NonNullable<MountOptions['resolve']>,
  { logger }: Pick<Messaging, 'logger'>,
): Made | Promise<Made> {
  const made = resolve(type)
  const complete = (instance: ViewSet): Made => {
    for (const route of routes) methodOf(instance, route)
    return { instance, checks: instance instanceof ModelViewSet ? modelChecks(instance, routes) : {} }
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
