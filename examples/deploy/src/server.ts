import { closeOnSignal } from '@corebus/core'
import { requestScope } from '@corebus/hono'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { messaging, OrderPlaced } from './messaging.ts'

const app = new Hono()

// #region health
app.get('/livez', (c) => c.json({ live: messaging.health().live }))
app.get('/readyz', (c) => {
  const { ready, reasons } = messaging.health()
  return c.json({ ready, reasons }, ready ? 200 : 503)
})
// #endregion health

app.post('/orders/:id{[0-9]+}', requestScope(messaging), (c) => {
  messaging.emit(OrderPlaced, { id: Number(c.req.param('id')) })
  return c.json({ id: c.req.param('id') }, 201)
})

// #region start
// An API connects when it first publishes. Connected from the start, it is ready only when it could publish.
messaging.driver().catch((error: unknown) => messaging.logger.error({ err: error }, 'no broker yet: the next publish tries again'))
const server = serve({ fetch: app.fetch, hostname: process.env.HOST ?? '127.0.0.1', port: Number(process.env.PORT ?? 4000) })
closeOnSignal(server, messaging)
// #endregion start
