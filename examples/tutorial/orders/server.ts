import type { DatabaseSync } from 'node:sqlite'
import { closeOnSignal, getProducer } from '@corebus/core'
import { type ActionContext, action, mount, ViewSet } from '@corebus/hono'
import { serve } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { ProcessPayment } from '../events.ts'
import { messaging } from './messaging.ts'

const NewOrder = z.object({ user_id: z.int(), total: z.number().positive() })
type NewOrder = z.infer<typeof NewOrder>

class OrderViewSet extends ViewSet {
  @action({ path: '' })
  list(_: Context, { db }: ActionContext<DatabaseSync>) {
    return db.prepare('SELECT * FROM orders ORDER BY id').all()
  }

  @action({ method: 'POST', path: '', body: NewOrder })
  create(_: Context, { db, body: { user_id, total } }: ActionContext<DatabaseSync, NewOrder>) {
    const { lastInsertRowid } = db.prepare(`INSERT INTO orders (user_id, kind, total) VALUES (?, 'order', ?)`).run(user_id, total)
    return { id: Number(lastInsertRowid), user_id, total }
  }

  @action({ method: 'POST', detail: true })
  async pay(c: Context, { db, id }: ActionContext<DatabaseSync>) {
    const order = db.prepare('SELECT total FROM orders WHERE id = ?').get(id)
    if (!order) return c.json({ error: `there is no order ${id}` }, 404)
    const message: ProcessPayment = { order_id: Number(id), amount: Number(order.total) }
    await getProducer().send('payments.process', message, { key: id })
    return c.json({ order_id: Number(id), status: 'processing' }, 202)
  }
}

const app = new Hono()
mount(app, '/orders', OrderViewSet)

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 4002) }, ({ port }) => {
  messaging.logger.info(`listens at http://127.0.0.1:${port}`)
})
closeOnSignal(server, messaging)
