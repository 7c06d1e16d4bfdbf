import type { DatabaseSync } from 'node:sqlite'
import { closeOnSignal, getProducer } from '@corebus/core'
import { type RequestVariables, requestScope } from '@corebus/hono'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { z } from 'zod'
import type { ProcessPayment } from '../events.ts'
import { messaging } from './messaging.ts'

const NewOrder = z.object({ user_id: z.int(), total: z.number().positive() })

const app = new Hono<{ Variables: RequestVariables<DatabaseSync> }>()
app.use(requestScope(messaging))
app.get('/orders', (c) => c.json(c.get('db').prepare('SELECT * FROM orders ORDER BY id').all()))
app.post('/orders', async (c) => {
  const { data, error } = NewOrder.safeParse(await c.req.json())
  if (!data) return c.json({ issues: error.issues }, 422)
  const { user_id, total } = data
  const { lastInsertRowid } = c.get('db').prepare(`INSERT INTO orders (user_id, kind, total) VALUES (?, 'order', ?)`).run(user_id, total)
  return c.json({ id: Number(lastInsertRowid), user_id, total }, 201)
})
app.post('/orders/:id/pay', async (c) => {
  const id = c.req.param('id')
  const order = c.get('db').prepare('SELECT total FROM orders WHERE id = ?').get(id)
  if (!order) return c.json({ error: `there is no order ${id}` }, 404)
  const message: ProcessPayment = { order_id: Number(id), amount: Number(order.total) }
  await getProducer().send('payments.process', message, { key: id })
  return c.json({ order_id: Number(id), status: 'processing' }, 202)
})

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 4002) }, ({ port }) => {
  messaging.logger.info(`listens at http://127.0.0.1:${port}`)
})
closeOnSignal(server, messaging)
