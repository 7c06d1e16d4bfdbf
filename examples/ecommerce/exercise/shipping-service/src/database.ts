import { openWriteDatabase, readSettings } from '@ecommerce/platform'
import { migrations, type Tables } from './tables.ts'

export const settings = readSettings('shipping-service', { port: 8086 })
export const database = await openWriteDatabase<Tables>(settings, migrations)
