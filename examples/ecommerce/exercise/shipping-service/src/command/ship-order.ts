import { emit } from '@corebus/core'
import { OrderShipped } from '@ecommerce/contracts'
import { forUpdate, Refused } from '@ecommerce/platform'
import { messaging } from '../messaging.ts'

/** Twice is once. @throws Refused not_found for an order that is not paid */
export async function shipOrder({ orderId }: { readonly orderId: number }): Promise<void> {
  await messaging.session(async (db) => {
    const shipment = await forUpdate(db, db.selectFrom('shipments').selectAll().where('order_id', '=', orderId)).executeTakeFirst()
    if (!shipment) throw new Refused('not_found', `order ${orderId} is not paid, or not yet`)
    if (shipment.status === 'SHIPPED') return
    const at = new Date().toISOString()
    await db.updateTable('shipments').set({ status: 'SHIPPED', updated_at: at }).where('order_id', '=', orderId).execute()
    emit(OrderShipped, { id: orderId, shipped_at: at })
  })
}
