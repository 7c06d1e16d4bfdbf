import { type DocumentStore, mongoDocuments } from '@corebus/cqrs'
import { type Settings, SettingsError } from '@ecommerce/platform'
import { MongoClient } from 'mongodb'

/**
 * Connects to MongoDB where `MONGO_URI` is set. Undefined where it is not: the documents are beside the journal then, in the SQL database.
 * @throws SettingsError for MySQL alone, which keeps no documents
 */
export async function openDocuments({
  service,
  database,
  mongoUri,
}: Settings): Promise<(DocumentStore & { close(): Promise<void> }) | undefined> {
  if (mongoUri !== undefined) {
    const client = new MongoClient(mongoUri)
    await client.connect()
    return { ...mongoDocuments(client.db()), close: () => client.close() }
  }
  if (database.kind === 'mysql')
    throw new SettingsError(`${service} cannot start:\n  MYSQL_DSN is for its journal, and MySQL keeps no documents: set MONGO_URI too`)
  return undefined
}
