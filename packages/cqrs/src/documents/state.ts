/** The content of a document. Field names are those of its top level. */
export type Fields = Readonly<Record<string, unknown>>

/** A document as it is kept: what it says, and which revision each part of that is from. */
export interface State {
  readonly fields: Fields
  /** The revision of the last `put` or `remove`; 0 before the first. */
  readonly base: number
  /** The last of those was a `remove`: nobody is shown the document until a later `put`. */
  readonly removed: boolean
  /** The revisions of the fields that a `merge` set, where those are later than `base`. */
  readonly revisions: Readonly<Record<string, number>>
}

export type Change =
  | { readonly kind: 'put'; readonly fields: Fields; readonly revision: number }
  | { readonly kind: 'merge'; readonly fields: Fields; readonly revision: number }
  | { readonly kind: 'remove'; readonly revision: number }

export const EMPTY: State = { fields: {}, base: 0, removed: false, revisions: {} }

/**
 * The document after the change, or undefined where the change says nothing new: it is a duplicate, or older than what is known. Changes come out the
 * same in any order and however often each comes, as long as two of one revision say the same of the same thing: a document to `put` and `remove`, a
 * field to `merge`.
 */
export function changed(state: State, change: Change): State | undefined {
  if (change.kind === 'merge') return merged(state, change.fields, change.revision)
  if (change.revision <= state.base) return undefined
  return replaced(state, change.kind === 'put' ? change.fields : {}, change.revision, change.kind === 'remove')
}

function merged({ fields, base, removed, revisions }: State, given: Fields, revision: number): State | undefined {
  const news = Object.keys(given).filter((name) => revision > Math.max(base, revisions[name] ?? 0))
  if (news.length === 0) return undefined
  return {
    fields: { ...fields, ...Object.fromEntries(news.map((name) => [name, given[name]])) },
    base,
    removed,
    revisions: { ...revisions, ...Object.fromEntries(news.map((name) => [name, revision])) },
  }
}

/** Fields that were merged with a later revision stay. */
function replaced(state: State, given: Fields, revision: number, removed: boolean): State {
  const later = Object.entries(state.revisions).filter(([, one]) => one > revision)
  const kept = later.map(([name]) => [name, state.fields[name]] as const)
  return { fields: { ...given, ...Object.fromEntries(kept) }, base: revision, removed, revisions: Object.fromEntries(later) }
}

/** Who is shown a document: nobody, handlers alone because fields that it must have are not there yet, or everybody. */
export const SHOWN = { nobody: 0, handlers: 1, everybody: 2 } as const

export function shownTo({ fields, removed }: State, required: readonly string[]): number {
  if (removed || Object.keys(fields).length === 0) return SHOWN.nobody
  return required.every((name) => Object.hasOwn(fields, name)) ? SHOWN.everybody : SHOWN.handlers
}
