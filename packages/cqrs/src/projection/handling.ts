import { CorebusError, type Event, type EventType, type HandlerContext } from '@corebus/core'
import { HEADER } from '@corebus/core/internal'
import type { SqlTx } from '@corebus/sql'
import { txOf } from '@corebus/sql/internal'
import { writesOf } from '../documents/access.ts'
import { settledReads } from '../documents/settled.ts'
import type { Documents } from '../documents/store.ts'
import type { Generation } from './generations.ts'
import { bodyOf, type Entry } from './journal.ts'
import type { Projection, ProjectionContext } from './projection.ts'
import { orMissing, type Workings } from './workings.ts'

/**
 * Makes what `messaging.on` calls for an event of a projection: in one session the event is written into the journal, and the handler changes documents. All
 * of it commits together where those are tables beside the journal. Elsewhere documents are written before the journal commits: a crash in between repeats
 * the event, which changes nothing then.
 */
export function handlerOf(
  projection: Projection,
  type: EventType,
  workings: Workings,
): (event: Event, context: HandlerContext) => Promise<void> {
  const { database, barrier, generations, journal } = workings
  return async (event, context) => {
    const entry = entryOf(event, type, context)
    await ready(projection, workings)
    await context.session(async (db) => {
      const tx = txOf(db, database.dialect)
      try {
        await barrier.pass(tx)
        const generation = await generations.active(tx, projection.name, { latest: true })
        if (!generation) throw dropped(projection, workings)
        await journal.append(tx, entry)
        await changeDocuments(projection, workings, { tx, generation, event, entry, replay: false, context })
      } catch (thrown) {
        throw orMissing(thrown, workings)
      }
    })
  }
}

async function ready(projection: Projection, workings: Workings): Promise<void> {
  try {
    await workings.ensure(projection)
  } catch (thrown) {
    throw orMissing(thrown, workings)
  }
}

function dropped(projection: Projection, { isGone }: Workings): CorebusError {
  isGone(projection)
  return new CorebusError(
    'PROJECTION',
    `projection ${projection.name} was dropped: its collections are made anew when the message comes again`,
  )
}

export interface Changing {
  readonly tx: SqlTx
  readonly generation: Generation
  readonly event: Event
  readonly entry: Entry
  readonly replay: boolean
  readonly context: Pick<HandlerContext, 'logger' | 'signal'>
}

/** Calls the user's handler with the documents of the generation. */
export async function changeDocuments(projection: Projection, { store }: Pick<Workings, 'store'>, changing: Changing): Promise<void> {
  const { tx, generation, event, entry, replay, context } = changing
  const { topic, key, id, headers } = entry
  const call = async (documents: Documents): Promise<void> => {
    const docs = docsOf(projection, generation, documents, { lock: !replay })
    const { logger, signal } = context
    const correlationId = headers[HEADER.correlation] ?? id
    const given: ProjectionContext = {
      docs: docs as ProjectionContext['docs'],
      replay,
      topic,
      key,
      id,
      correlationId,
      headers,
      logger,
      signal,
    }
    await projection.handle(event as never, given as never) // `projection` has checked the types of both against each other
  }
  const documents = store.documents(tx)
  // Nobody else writes what is being filled.
  if (store.transactional || replay) await call(documents)
  else await settledReads(documents, call)
}

function docsOf(projection: Projection, { places, number }: Generation, documents: Documents, how: { readonly lock: boolean }): object {
  return Object.fromEntries(
    Object.keys(projection.collections).map((name) => {
      const place = places[name]
      if (!place)
        throw new CorebusError(
          'PROJECTION',
          `generation ${number} of projection ${projection.name} has no collection ${name}, which came later: run \`npx corebus projections migrate\``,
        )
      return [name, writesOf(name, place, documents, how)]
    }),
  )
}

function entryOf(event: Event, type: EventType, { topic, key, id, headers, rawBody }: HandlerContext): Entry {
  return { topic, key, id, headers, name: event.name, body: bodyOf(event, type, rawBody) }
}
