import { onceFor } from './idempotency.ts'
import { briefly, fieldsOf, type Item } from './item.ts'
import type { Rows } from './rows.ts'
import type { Told } from './told.ts'

/** The rows of a table, the calls of a method, the messages of an event or topic. */
interface Thing {
  readonly name: string
  readonly items: readonly Item[]
}

/** The state of things at the end of a history. A table and a topic may have one name, and are two things. */
export interface EndState {
  readonly things: ReadonlyMap<string, Thing>
  /** Columns whose numbers are given in the order of coming. */
  readonly numbered: ReadonlySet<string>
  /** Why the message was not handled in the end. */
  readonly failed: string | undefined
}

export interface Seen {
  readonly told: Told
  readonly rows: Rows | undefined
  readonly snapshot: unknown
  readonly failed: string | undefined
  /** Reads what is published as whoever gets it does. */
  readonly read: (message: Told['published'] extends Map<string, infer P> ? P : never) => { readonly name: string; readonly data: unknown }
}

export interface Comparing {
  /** Tables of our own, and what else is not compared: `orders`, `orders.created_at`, `gateway.find`. */
  readonly ignored: ReadonlySet<string>
  /** The names of what may be done twice with the same content. */
  readonly idempotent: ReadonlySet<string>
}

export function endState({ told, rows, snapshot, failed, read }: Seen, { ignored, idempotent }: Comparing): EndState {
  const things = new Map<string, Thing>()
  const add = (kind: 'row' | 'call' | 'message', name: string, value: unknown): void => {
    if (ignored.has(name)) return
    const item = without(value instanceof Map ? value : fieldsOf(value), name, ignored)
    const { items = [] } = things.get(`${kind} ${name}`) ?? {}
    const isKnown = idempotent.has(name) && items.some((one) => keyOf(one) === keyOf(item))
    if (!isKnown) things.set(`${kind} ${name}`, { name, items: [...items, item] })
  }
  const tables = [...(rows?.tables ?? [])]
  for (const [name, table] of tables)
    for (const row of table.rows) add('row', name, new Map(table.columns.map((column, i) => [column, unquoted(row[i] ?? '')])))
  for (const [name, items] of ofSnapshot(snapshot)) for (const item of items) add('row', name, item)
  for (const { name, args } of onceFor(told.calls)) add('call', name, args.length === 1 ? args[0] : { ...args })
  for (const one of told.published.values()) {
    const { name, data } = read(one)
    add('message', name, data)
  }
  const numbered = new Set(tables.flatMap(([name, table]) => table.numbered.map((column) => `${name}.${column}`)))
  return { things, numbered, failed }
}

/** A snapshot of named lists has each of them compared by itself. */
function ofSnapshot(snapshot: unknown): readonly (readonly [name: string, items: readonly unknown[]])[] {
  if (snapshot === undefined) return []
  if (Array.isArray(snapshot)) return [['snapshot', snapshot]]
  const entries = typeof snapshot === 'object' && snapshot !== null ? Object.entries(snapshot) : []
  if (entries.length > 0 && entries.every(([, value]) => Array.isArray(value))) return entries
  return [['snapshot', [snapshot]]]
}

function without(item: Item, name: string, ignored: ReadonlySet<string>): Item {
  return new Map([...item].filter(([field]) => !ignored.has(`${name}.${field}`)))
}

const keyOf = (item: Item): string => JSON.stringify([...item])
const unquoted = (literal: string): string => (literal.startsWith("'") ? literal.slice(1, -1).replaceAll("''", "'") : literal)

/** Returns how a history differs, each time in a few words: `payments 2 instead of 1`, `accounts.balance 20 instead of 10`. */
export function differences(
  clean: EndState,
  other: EndState,
  { besideNumbers = false }: { readonly besideNumbers?: boolean } = {},
): readonly string[] {
  const ignored = besideNumbers ? new Set([...clean.numbered, ...other.numbered]) : NONE
  const found = bothOf(clean, other).flatMap(({ name, wanted, got }) =>
    differs(
      name,
      wanted.map((item) => without(item, name, ignored)),
      got.map((item) => without(item, name, ignored)),
    ),
  )
  // A failure of the one as of the other is no difference.
  return other.failed === undefined || clean.failed !== undefined ? found : [...found, other.failed]
}

const NONE: ReadonlySet<string> = new Set()

/** Returns each thing that either of them has, with its items in both. */
function bothOf(
  one: EndState,
  other: EndState,
): readonly { readonly name: string; readonly wanted: readonly Item[]; readonly got: readonly Item[] }[] {
  const all = new Map([...one.things, ...other.things])
  return [...all].map(([key, { name }]) => ({ name, wanted: one.things.get(key)?.items ?? [], got: other.things.get(key)?.items ?? [] }))
}

function differs(name: string, wanted: readonly Item[], got: readonly Item[]): readonly string[] {
  if (wanted.length !== got.length) return [`${name} ${got.length} instead of ${wanted.length}`]
  const [missing] = left(wanted, got)
  const [instead] = left(got, wanted)
  if (!missing || !instead) return []
  const fields = [...new Set([...missing.keys(), ...instead.keys()])].filter((field) => missing.get(field) !== instead.get(field))
  return fields.map(
    (field) => `${name}${field === '' ? '' : `.${field}`} ${briefly(instead.get(field))} instead of ${briefly(missing.get(field))}`,
  )
}

/** Those that the others do not have, counting equal ones. */
function left(items: readonly Item[], others: readonly Item[]): readonly Item[] {
  const there = others.map(keyOf)
  return items.filter((item) => {
    const at = there.indexOf(keyOf(item))
    if (at >= 0) there.splice(at, 1)
    return at < 0
  })
}

/** Returns the names of what is another one each time, though nothing was done to the handler: an id that it makes, a time. */
export function unsteady(one: EndState, other: EndState): readonly string[] {
  return bothOf(one, other).flatMap(({ name, wanted, got }) => {
    if (wanted.length !== got.length) return [name]
    const fields = wanted.flatMap((item, i) => [...item].filter(([field, value]) => got[i]?.get(field) !== value).map(([field]) => field))
    return [...new Set(fields)].map((field) => `${name}.${field}`)
  })
}
