import { pgliteSession } from '@corebus/sql'
import { afterAll, describe, inject } from 'vitest'
import { viewSetsOn } from './view-sets.ts'

describe.skipIf(!inject('librariesInstalled'))('the ViewSets on PGlite', () => {
  let close = async (): Promise<void> => undefined
  viewSetsOn(async () => {
    const { PGlite } = await import('@electric-sql/pglite')
    const db = await PGlite.create()
    close = () => db.close()
    return { session: pgliteSession(db), run: (statement) => db.query(statement) }
  })
  afterAll(() => close())
})
