import { closeOnSignal } from '@corebus/core'
import { mount } from '@corebus/hono'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { GatewayViewSet } from './gateway-view-set.ts'
import { messaging } from './messaging.ts'
import { OrderViewSet } from './order-view-set.ts'

const app = new Hono()
mount(app, '/orders', OrderViewSet)

// Without a token there is no such route.
const { ADMIN_TOKEN: token } = process.env
if (token) {
  app.use('/gateway', bearerAuth({ token }))
  mount(app, '/gateway', GatewayViewSet)
}

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 4002) }, ({ port }) => {
  messaging.logger.info({ port }, `listens at http://127.0.0.1:${port}`)
})
closeOnSignal(server, messaging)
