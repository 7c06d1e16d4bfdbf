import { health, mount } from '@corebus/hono'
import { Hono } from 'hono'
import { OrderViewSet } from './orders.ts'
import { UserViewSet } from './users.ts'

// #region app
/** On the default instance, whose session says which database it is. */
export function shop(): Hono {
  const app = new Hono()
  app.route('/', health())
  mount(app, '/users', UserViewSet)
  mount(app, '/orders', OrderViewSet)
  return app
}
// #endregion app
