import { jsonBody, requestScope } from '@corebus/hono'
import { Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { z } from 'zod'
import { messaging } from './messaging.ts'
import { switchGateway } from './payment-gateway.ts'

const Switch = z.object({ available: z.boolean() })

/** The route for administrators that takes the payment gateway out of order, and back. */
export const gatewayRoutes = (token: string) =>
  new Hono().put('/', bearerAuth({ token }), jsonBody(Switch), requestScope(messaging), (c) => {
    const { available } = c.req.valid('json')
    switchGateway(c.var.db, available)
    return c.json({ available })
  })
