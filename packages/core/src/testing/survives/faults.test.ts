import { expect, test } from 'vitest'
import { OrderPaid, tried } from './fixtures/shop.ts'

test('a charge before its row is made again when the process dies between the two', async () => {
  const findings = await tried(({ messaging, gateway }) =>
    messaging.on(OrderPaid, {}, async function bill({ data }, { db }) {
      await gateway.charge({ amount: data.amount })
      db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(data.id, data.amount)
    }),
  )
  expect(findings).toEqual([])
})
