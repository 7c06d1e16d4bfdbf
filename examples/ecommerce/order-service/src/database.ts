import { openWriteDatabase, readDuration, readSettings, sequence } from '@ecommerce/platform'
import { migrations, type Tables } from './tables.ts'

export const settings = readSettings('order-service', { port: 8083 })
/** An order that is not paid by then is canceled. */
export const expiresAfterMs = readDuration('ORDER_EXPIRES_AFTER', 15 * 60_000)
export const database = await openWriteDatabase<Tables>(settings, migrations)
export const nextId = sequence(database.session, 'orders')
