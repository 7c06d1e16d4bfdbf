import { database } from '../database.ts'

export async function findShipment(orderId: number) {
  const row = await database.read.selectFrom('shipments').selectAll().where('order_id', '=', orderId).executeTakeFirst()
  return row && { ...row, order_id: Number(row.order_id) }
}
