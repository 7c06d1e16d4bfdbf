import { CorebusError } from '@corebus/core'
import { at } from './collection.ts'
import { filterOf } from './mongo-query.ts'
import { EMPTY, type Fields, SHOWN, type State, shownTo } from './state.ts'
import type { DocumentStore, Documents, Found, Place } from './store.ts'

/** The part of the official driver's collection that is used. */
export interface MongoCollection {
  findOne(filter: object): Promise<object | null>
  find(filter: object): {
    sort(order: readonly (readonly [string, 1 | -1])[]): { limit(n: number): { toArray(): Promise<readonly object[]> } }
  }
  insertOne(document: object): Promise<unknown>
  replaceOne(filter: object, document: object): Promise<unknown>
  countDocuments(filter: object): Promise<number>
  createIndex(keys: Readonly<Record<string, 1 | -1>>, options?: object): Promise<string>
  drop(): Promise<unknown>
}

/** The part of the official driver's database that is used: `client.db('shop')` of `mongodb`. */
export interface MongoDb {
  readonly databaseName: string
  collection(name: string): MongoCollection
}

/** As they lie there: the fields of the document, as people look for them, and what is known of it under `_corebus`. */
interface Kept {
  readonly _id: string
  readonly _corebus: Omit<State, 'fields'> & { readonly written: number; readonly shown: number }
}

const DUPLICATE_KEY = 11_000
const NO_SUCH_COLLECTION = 26

/**
 * Documents in MongoDB, or what speaks its language, by the official driver. Needs no transactions, so no replica set: a document is read, changed and
 * written only if nobody has written it meanwhile. The journal is in the SQL database of the sessions.
 * @throws CorebusError PROJECTION for what is no database of `mongodb`
 * @example
 * projections(messaging, [orders], { documents: mongoDocuments(new MongoClient(process.env.MONGO_URI).db('shop')) })
 */
export function mongoDocuments(db: MongoDb): DocumentStore {
  if (typeof db?.collection !== 'function' || typeof db.databaseName !== 'string')
    throw new CorebusError('PROJECTION', "mongoDocuments needs a database of the package mongodb: mongoDocuments(client.db('shop'))")
  const documents = documentsIn(db)
  return {
    where: `MongoDB, database ${db.databaseName}`,
    transactional: false,
    async create({ name, shape }) {
      for (const [n, index] of shape.indexes.entries())
        await db.collection(name).createIndex(Object.fromEntries([...index.map((path) => [path, 1]), ['_id', 1]]), { name: `${name}_${n}` })
    },
    async drop(name) {
      try {
        await db.collection(name).drop()
      } catch (thrown) {
        if (codeOf(thrown) !== NO_SUCH_COLLECTION) throw thrown
      }
    },
    count: (name) => db.collection(name).countDocuments({ '_corebus.shown': SHOWN.everybody }),
    documents: () => documents,
  }
}

function documentsIn(db: MongoDb): Documents {
  const inLine = lines()
  const read = async ({ name }: Place, id: string): Promise<Kept | undefined> =>
    ((await db.collection(name).findOne({ _id: id })) as Kept | null) ?? undefined // written below
  return {
    async get(place, id) {
      const kept = await read(place, id)
      return kept && stateOf(kept)
    },
    change(place, id, change) {
      return inLine(`${place.name} ${id}`, async () => {
        for (;;) {
          const before = await read(place, id)
          const after = change(before ? stateOf(before) : EMPTY)
          if (!after) return false
          if (await written(db.collection(place.name), id, { before, after, place })) return true
        }
      })
    },
    async find({ name }, plan) {
      const order = plan.order.map(({ path, down }) => [path, down ? -1 : 1] as const)
      const found = await db
        .collection(name)
        .find(filterOf(plan))
        .sort(order)
        .limit(plan.limit + 1)
        .toArray()
      return (found as readonly Kept[]).map((kept): Found => ({ id: kept._id, fields: fieldsOf(kept) })) // written below
    },
  }
}

/**
 * Runs what has one key one after another. Who writes a document that another one in this process is writing would be refused and begin again; and there are
 * servers that speak MongoDB's language and do not compare and write in one step.
 */
function lines(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>()
  return (key, work) => {
    const before = last.get(key) ?? Promise.resolve()
    const own = before.then(work, work)
    last.set(key, own)
    const leave = (): void => {
      if (last.get(key) === own) last.delete(key)
    }
    own.then(leave, leave)
    return own
  }
}

interface Written {
  readonly before: Kept | undefined
  readonly after: State
  readonly place: Place
}

/** False when somebody else has written the document since it was read. */
async function written(collection: MongoCollection, id: string, { before, after, place: { shape } }: Written): Promise<boolean> {
  const { fields, ...rest } = after
  const next = (before?._corebus.written ?? 0) + 1
  const document = { _id: id, ...fields, _corebus: { ...rest, written: next, shown: shownTo(after, shape.required) } }
  if (before) {
    const { matchedCount } = (await collection.replaceOne({ _id: id, '_corebus.written': before._corebus.written }, document)) as {
      readonly matchedCount?: number
    } // a driver's own type for each version
    return matchedCount === 1
  }
  try {
    await collection.insertOne(document)
    return true
  } catch (thrown) {
    if (codeOf(thrown) === DUPLICATE_KEY) return false
    throw thrown
  }
}

function stateOf(kept: Kept): State {
  const { base, removed, revisions } = kept._corebus
  return { fields: fieldsOf(kept), base, removed, revisions }
}

function fieldsOf(kept: Kept): Fields {
  const { _id, _corebus, ...fields } = kept
  return fields
}

const codeOf = (thrown: unknown): unknown => (typeof thrown === 'object' && thrown !== null ? at(thrown, 'code') : undefined)
