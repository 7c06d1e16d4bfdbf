import { type DocumentStore, mongoDocuments } from '@corebus/cqrs'
import { type Settings, SettingsError } from '@ecommerce/platform'
import { MongoClient } from 'mongodb'

export type OpenDocuments = DocumentStore & { close(): Promise<void> }

const LONGEST_CONNECT_MS = 5_000

/**
 * Connects to MongoDB where `MONGO_URI` is set. Undefined where it is not: the documents are beside the journal then, in the SQL database.
 * @throws SettingsError for a MongoDB that does not answer, and for MySQL alone, which keeps no documents
 */
export async function openDocuments({
  service,
  database,
  mongoUri,
}: Pick<Settings, 'service' | 'database' | 'mongoUri'>): Promise<OpenDocuments | undefined> {
  const refused = (why: string) => new SettingsError(`${service} cannot start:\n  ${why}`)
  if (mongoUri === undefined) {
    if (database.kind === 'mysql') throw refused('MYSQL_DSN is for its journal, and MySQL keeps no documents: set MONGO_URI too')
    return undefined
  }
  const client = new MongoClient(mongoUri, { serverSelectionTimeoutMS: LONGEST_CONNECT_MS })
  try {
    await client.connect()
  } catch (thrown) {
    await client.close()
    throw refused(`MONGO_URI is set, and MongoDB does not take the connection: ${(thrown as Error).message}`)
  }
  return { ...mongoDocuments(client.db()), close: () => client.close() }
}
