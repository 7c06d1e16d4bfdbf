import { createMessaging } from '@corebus/core'
import { defineEvent } from '@corebus/core/events'
import * as v from 'valibot'
import { expect, onTestFinished, test } from 'vitest'
import { OrderPacked, OrderPaid } from './schemas.ts'

test('a codec takes a Date to the wire and back, and what would be changed on the way is refused', async () => {
  const messaging = createMessaging({ broker: 'memory', service: 'schemas', logLevel: 'silent', env: {} })
  onTestFinished(() => messaging.close())
  const handled: unknown[] = []
  messaging.on(OrderPacked, {}, ({ data }) => handled.push(data.at.getTime()))
  messaging.on(OrderPaid, {}, ({ data }) => handled.push(data.paid_at))
  await messaging.start()
  await messaging.publishEvent(OrderPacked, { order_id: 1, at: new Date(7) })
  await messaging.publishEvent(OrderPaid, { order_id: 1, paid_at: '2026-02-01T12:00:00Z' })
  await expect.poll(() => handled).toEqual([7, '2026-02-01T12:00:00Z'])

  const Dated = defineEvent('dated', v.object({ at: v.date() }), { topic: 'order-events' })
  await expect(messaging.publishEvent(Dated, { at: new Date(7) })).rejects.toMatchObject({
    code: 'PAYLOAD_NOT_JSON',
    message: expect.stringContaining('at: a Date becomes what its toJSON writes'),
  })
})
