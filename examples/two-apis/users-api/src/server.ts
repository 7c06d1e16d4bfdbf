import { closeOnSignal } from '@corebus/core'
import { health, mount } from '@corebus/hono'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { messaging } from './messaging.ts'
import { UserViewSet } from './user-view-set.ts'

const app = new Hono().route('/', health())
mount(app, '/users', UserViewSet)

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 4001) }, ({ port }) => {
  messaging.logger.info({ port }, `listens at http://127.0.0.1:${port}`)
})
closeOnSignal(server, messaging)
