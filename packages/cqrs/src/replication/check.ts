import { CorebusError } from '@corebus/core'
import { Accepted } from './accepted.ts'
import { Revisions } from './revisions.ts'
import { orMissing, type Workings } from './workings.ts'

/** Checks masters and replicas against their tables, and that there are those of replication. @throws CorebusError with everything that is wrong */
export async function checkTables(workings: Workings): Promise<void> {
  const { database, masters, replicas } = workings
  const results = await database.read((tx) => Promise.allSettled([...masters, ...replicas].map((one) => one.table(tx))))
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []))
  const [first, ...others] = errors
  if (first && others.length === 0) throw first
  if (first) throw new CorebusError('REPLICATION', errors.map(({ message }) => message).join('; '), { cause: first })
  await checkRevisions(workings)
}

/** @throws CorebusError SCHEMA */
export async function checkRevisions(workings: Workings): Promise<void> {
  const { database, tables } = workings
  try {
    await database.read(async (tx) => {
      await new Revisions(tables).get(tx, '', '')
      await new Accepted(tables).get(tx, '', '')
    })
  } catch (thrown) {
    throw orMissing(thrown, workings)
  }
}
