import { openWriteDatabase, readSettings, sequence } from '@ecommerce/platform'
import { migrations, type Tables } from './tables.ts'

export const settings = readSettings('product-service', { port: 8082 })
export const database = await openWriteDatabase<Tables>(settings, migrations)
export const nextId = sequence(database.session, 'products')
