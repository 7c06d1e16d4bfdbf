import { createMessaging, type EventType } from '@corebus/core'
import { OrderCreated, OrderPaid, ProductUpdated, StockReserved } from '@ecommerce/contracts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProcessName } from './demo/system.ts'
import { booted, PATIENCE_MS } from './fixtures/booted.ts'
import { is, path } from './fixtures/races.ts'
import { rowsOf } from './fixtures/rows.ts'

/** The id of a purchase, which its client sends with each of its requests. */
const PURCHASE = 'purchase-4711'

describe('one id leads from POST /api/v1/orders through the services', () => {
  const system = booted()
  /** The correlation ids by event, as a service sees them that listens to all of them. */
  const heard: Record<string, (string | undefined)[]> = {}
  let close: () => Promise<void>

  beforeAll(async () => {
    const env = { ...system().env, LOG_LEVEL: 'silent' }
    const observer = createMessaging({ service: 'observer', env })
    for (const type of [OrderCreated, StockReserved, ProductUpdated, OrderPaid] as readonly EventType[])
      observer.on(type, {}, (_, { headers }) => {
        heard[type.name] = [...(heard[type.name] ?? []), headers['corebus-correlation']]
      })
    close = () => observer.close()
    await observer.start()
  }, PATIENCE_MS)
  afterAll(() => close?.())

  const request = async (method: string, at: string, body?: object): Promise<Response> =>
    fetch(`${system().system.url('order-service')}${at}`, {
      method,
      headers: { 'content-type': 'application/json', 'x-request-id': PURCHASE },
      ...(body && { body: JSON.stringify(body) }),
    })

  /** The lines that a process has logged of the purchase. A request's own line has the id as `requestId`. */
  const linesOf = (name: ProcessName): readonly string[] =>
    system().system.lines.flatMap(({ from, text, log }) => (from === name && text.includes(`"${PURCHASE}"`) && log ? [log.text] : []))

  it('the events, the lines in the log of each process that has a part in it, and the row in the read model', {
    timeout: 3 * PATIENCE_MS,
  }, async () => {
    const at = system()
    const [userId, productId] = [await at.on.user(), await at.on.product(3)]
    // An order of somebody else is no part of it.
    await is(at, await at.on.order(userId, [productId, 1]), { status: 'RESERVED' })

    const placed = await request('POST', '/api/v1/orders', { user_id: userId, items: [{ product_id: productId, quantity: 1 }] })
    const { id } = (await placed.json()) as { readonly id: number }
    expect([placed.status, placed.headers.get('x-request-id')]).toEqual([201, PURCHASE])
    await is(at, id, { status: 'RESERVED' })
    expect((await request('POST', `${path(id)}/pay`)).status).toBe(204)

    for (const { name } of [OrderCreated, StockReserved, ProductUpdated, OrderPaid])
      await expect
        .poll(() => heard[name]?.filter((correlationId) => correlationId === PURCHASE), { timeout: PATIENCE_MS, message: name })
        .toHaveLength(1)
    expect(heard[OrderCreated.name]).toHaveLength(2)

    const logged: Partial<Record<ProcessName, readonly string[]>> = {
      'order-service': ['POST /api/v1/orders 201', `POST ${path(id)}/pay 204`],
      'product-service consumer': ['handled order.created', 'handled order.paid'],
      'order-service consumer': ['handled stock.reserved'],
      'query-service consumer': ['handled order.created', 'handled stock.reserved', 'handled order.paid'],
    }
    for (const [name, wanted] of Object.entries(logged) as [ProcessName, readonly string[]][])
      for (const begin of wanted)
        await expect
          .poll(() => linesOf(name).filter((text) => text.startsWith(begin)), { timeout: PATIENCE_MS, message: `${name}: ${begin}` })
          .toHaveLength(1)
    expect(linesOf('user-service')).toEqual([])
    const done = at.system.lines.find(
      ({ from, text }) => from === 'product-service consumer' && text.includes(`order.created ${id} is done`),
    )
    expect(JSON.parse(done?.text ?? '{}')).toMatchObject({
      service: 'product-service',
      eventId: expect.any(String),
      userId,
      correlationId: PURCHASE,
    })

    const row = (): unknown =>
      rowsOf(at.folder, 'query-service', "SELECT _doc ->> '$.correlation_id' AS correlation FROM orders__1 WHERE id = ?", id)[0]
        ?.correlation
    await expect.poll(row, { timeout: PATIENCE_MS }).toBe(PURCHASE)
  })
})
