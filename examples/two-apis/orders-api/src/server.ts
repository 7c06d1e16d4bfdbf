import { closeOnSignal } from '@corebus/core'
import { health } from '@corebus/hono'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { gatewayRoutes } from './gateway-routes.ts'
import { messaging } from './messaging.ts'
import { orderRoutes } from './order-routes.ts'

const app = new Hono().route('/', health()).route('/orders', orderRoutes)

// Without a token there is no such route.
const { ADMIN_TOKEN: token } = process.env
if (token) app.route('/gateway', gatewayRoutes(token))

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 4002) }, ({ port }) => {
  messaging.logger.info({ port }, `listens at http://127.0.0.1:${port}`)
})
// Events of the process before may wait in the outbox: they leave now, and not with the first request.
messaging.begin()
closeOnSignal(server, messaging)
