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
export abstract class ViewSet {}

export type ViewSetClass = new (...args: never[]) => ViewSet
