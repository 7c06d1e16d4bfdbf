import { expect, test } from 'vitest'

/** The names that the door gives at run time. One that is taken away breaks somebody; one that is added is promised. */
const NAMES = ['collection', 'master', 'mongoDocuments', 'projection', 'projections', 'replica', 'replication', 'sqlDocuments']

test('@corebus/cqrs gives these names and no others', async () => {
  const given: object = await import('@corebus/cqrs')
  expect(Object.keys(given).sort()).toEqual(NAMES)
})
