import { DONE, failures, found, IdPath, Refused, type ServiceApp } from '@ecommerce/platform'
import { createRoute, z } from '@hono/zod-openapi'
import { shipOrder } from '../command/ship-order.ts'
import { findShipment } from '../query/shipments.ts'

const Shipment = z.object({ order_id: z.int(), status: z.enum(['WAITING', 'SHIPPED']), updated_at: z.string() }).openapi('Shipment')

/** A shipment has the id of its order. */
const PATH = '/api/v1/shipments/{id}'
const params = { params: IdPath }
const read = createRoute({ method: 'get', path: PATH, request: params, responses: { ...found(Shipment), ...failures } })
const ship = createRoute({ method: 'post', path: `${PATH}/ship`, request: params, responses: { ...DONE, ...failures } })

export function shipmentRoutes(app: ServiceApp): void {
  app.openapi(read, async (c) => {
    const { id } = c.req.valid('param')
    const shipment = await findShipment(id)
    if (!shipment) throw new Refused('not_found', `order ${id} is not paid, or not yet`)
    return c.json(shipment, 200)
  })

  app.openapi(ship, async (c) => {
    await shipOrder({ orderId: c.req.valid('param').id })
    return c.body(null, 204)
  })
}
