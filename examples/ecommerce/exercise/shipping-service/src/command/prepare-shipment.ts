import { messaging } from '../messaging.ts'

export async function prepareShipment({ orderId, at }: { readonly orderId: number; readonly at: string }): Promise<void> {
  await messaging.session(async (db) => {
    const known = await db.selectFrom('shipments').select('status').where('order_id', '=', orderId).executeTakeFirst()
    if (!known) await db.insertInto('shipments').values({ order_id: orderId, status: 'WAITING', updated_at: at }).execute()
  })
}
