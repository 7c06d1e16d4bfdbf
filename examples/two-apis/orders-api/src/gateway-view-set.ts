import type { DatabaseSync } from 'node:sqlite'
import { type ActionContext, action, ViewSet } from '@corebus/hono'
import type { Context } from 'hono'
import { z } from 'zod'
import { switchGateway } from './payment-gateway.ts'

const Switch = z.object({ available: z.boolean() })
type Switch = z.infer<typeof Switch>

/** For administrators: takes the payment gateway out of order, and back. */
export class GatewayViewSet extends ViewSet {
  @action({ method: 'PUT', path: '', body: Switch })
  change(_: Context, { db, body: { available } }: ActionContext<DatabaseSync, Switch>) {
    switchGateway(db, available)
    return { available }
  }
}
