import type { Context } from 'hono'

/**
 * What a class of actions extends: `mount` makes one instance of it for the process, and every method under `@action` becomes a route.
 * @example
 * class UserViewSet extends ViewSet {
 *   @action({ method: 'POST', body: Registration })
 *   @event(UserCreated)
 *   async register(c: Context, { db, body }: ActionContext<Tx, Registration>) {
 *     return db.insertUser(body)
 *   }
 * }
 * mount(app, '/users', UserViewSet)      // POST /users/register
 */
export abstract class ViewSet {
  /** The names of the inherited actions that are routes, where not all of them are. What the class itself has under `@action` is one anyway. */
  static readonly only?: readonly string[]

  /** The answer to an error that an action, or the commit of its session, has thrown. Undefined leaves it to the app's `onError`. Nothing is committed. */
  answerTo?(error: unknown, c: Context): Response | undefined
}

export interface ViewSetClass {
  new (...args: never[]): ViewSet
  readonly only?: readonly string[]
}
