import { checkedFields, checkedId, checkedRevision } from './check.ts'
import { at } from './collection.ts'
import { cursorOf, type Plan, planOf, type Query, type Value } from './query.ts'
import { type Change, changed, SHOWN, shownTo } from './state.ts'
import type { Documents, Found, Place } from './store.ts'

export type DocumentId = string | number | bigint

/** A document, with its id beside its fields. */
export type Stored<T> = T & { readonly _id: string }

export interface Page<T> {
  readonly items: readonly Stored<T>[]
  /** Goes on behind them, given as `after`. Undefined at the end. */
  readonly next: string | undefined
}

/** Reads documents of one collection. */
export interface Reads<T> {
  /** Undefined for one that is not there. @throws CorebusError DOCUMENT for what is no id; what the store says */
  get(id: DocumentId): Promise<Stored<T> | undefined>
  /** @throws CorebusError QUERY, CURSOR; what the store says */
  find(query?: Query): Promise<Page<T>>
}

export interface At {
  /**
   * A number above 0 that grows with what is told: a version that travels in the event, or the rank of a state. What comes with one that is not greater
   * than that of what is known says nothing new, and does nothing.
   */
  readonly revision: number
}

/**
 * Writes documents of one collection. Events may come in any order and more than once: each write is guarded by its revision, so the documents end the
 * same. Each resolves with whether it said something new.
 */
export interface Writes<T> extends Reads<Partial<T>> {
  /** The whole document, guarded by its revision. Fields that a later `merge` has set stay. @throws CorebusError DOCUMENT */
  put(id: DocumentId, document: T, at: At): Promise<boolean>
  /** Some fields, each guarded by the revision that it was last set with. Makes the document where it is not there. @throws CorebusError DOCUMENT */
  merge(id: DocumentId, fields: Partial<T>, at: At): Promise<boolean>
  /** Hides the document until a later `put`. Its revision is kept, so that what comes late does not bring it back. @throws CorebusError DOCUMENT */
  remove(id: DocumentId, at: At): Promise<boolean>
}

/** Returns what readers see: documents that have all of the fields that they must have. */
export function readsOf<T>(collection: string, place: Place, documents: Documents): Reads<T> {
  return reading<T>({ collection, place, documents, shown: SHOWN.everybody, lock: false })
}

/** Returns what handlers work with. They see a document as soon as something is known of it, and keep what they get until their transaction ends. */
export function writesOf<T extends object>(
  collection: string,
  place: Place,
  documents: Documents,
  { lock }: { readonly lock: boolean },
): Writes<T> {
  const { shape } = place
  const write = (id: string, change: Change): Promise<boolean> => documents.change(place, id, (state) => changed(state, change))
  return {
    ...reading<Partial<T>>({ collection, place, documents, shown: SHOWN.handlers, lock }),
    async put(given, document, { revision: at }) {
      const [id, revision] = [checkedId(collection, given), checkedRevision(collection, String(given), at)]
      return write(id, { kind: 'put', fields: checkedFields(collection, id, shape, document), revision })
    },
    async merge(given, some, { revision: at }) {
      const [id, revision] = [checkedId(collection, given), checkedRevision(collection, String(given), at)]
      return write(id, { kind: 'merge', fields: checkedFields(collection, id, shape, some), revision })
    },
    async remove(given, { revision: at }) {
      const [id, revision] = [checkedId(collection, given), checkedRevision(collection, String(given), at)]
      return write(id, { kind: 'remove', revision })
    },
  }
}

interface Reading {
  readonly collection: string
  readonly place: Place
  readonly documents: Documents
  readonly shown: number
  readonly lock: boolean
}

function reading<T>({ collection, place, documents, shown, lock }: Reading): Reads<T> {
  const { shape } = place
  return {
    async get(given) {
      const id = checkedId(collection, given)
      const state = await documents.get(place, id, { lock })
      if (!state || shownTo(state, shape.required) < shown) return undefined
      return storedOf<T>({ id, fields: state.fields })
    },
    async find(query = {}) {
      const plan = planOf(collection, shape, query, shown)
      return pageOf<T>(plan, await documents.find(place, plan))
    },
  }
}

function pageOf<T>({ limit, order }: Plan, found: readonly Found[]): Page<T> {
  const items = found.slice(0, limit)
  const last = found.length > limit ? items.at(-1) : undefined
  return {
    items: items.map((one) => storedOf<T>(one)),
    next:
      last &&
      cursorOf(
        order,
        order.map(({ path }) => (path === '_id' ? last.id : ((at(last.fields, path) ?? null) as Value))),
      ), // checked when it was written
  }
}

const storedOf = <T>({ id, fields }: Found): Stored<T> => ({ ...fields, _id: id }) as Stored<T> // what was written is what is read
