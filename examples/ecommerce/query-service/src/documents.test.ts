import { SettingsError } from '@ecommerce/platform'
import { expect, test } from 'vitest'
import { openDocuments } from './documents.ts'

const mysql = { kind: 'mysql', url: 'mysql://localhost/ecommerce' } as const
const sqlite = { kind: 'sqlite', file: 'query-service.db' } as const

test('documents are beside the journal unless MONGO_URI says otherwise', async () => {
  expect(await openDocuments({ service: 'query-service', database: sqlite, mongoUri: undefined })).toBeUndefined()
})

test('MySQL alone is refused', async () => {
  const opened = openDocuments({ service: 'query-service', database: mysql, mongoUri: undefined })
  await expect(opened).rejects.toThrow(/MySQL keeps no documents: set MONGO_URI too/)
})

test('a MongoDB that does not answer is one line, without the password', { timeout: 20_000 }, async () => {
  const opened = openDocuments({ service: 'query-service', database: mysql, mongoUri: 'mongodb://admin:secret@127.0.0.1:1/ecommerce' })
  const error = await opened.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(SettingsError)
  expect(String(error)).toMatch(/MONGO_URI is set, and MongoDB does not take the connection: .*ECONNREFUSED/)
  expect(String(error)).not.toContain('secret')
})
