import { openWriteDatabase, readSettings } from '@ecommerce/platform'
import { openDocuments } from './documents.ts'

export const settings = readSettings('query-service', { port: 8084 })
/** The database of the journal and the inbox. It has no tables of the service's own. */
export const database = await openWriteDatabase<object>(settings, {})
export const documents = await openDocuments(settings)
