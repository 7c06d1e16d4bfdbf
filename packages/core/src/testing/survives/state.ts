import { onceFor } from './idempotency.ts'
import { briefly, fieldsOf, type Item } from './item.ts'
import type { Rows } from './rows.ts'
import type { Told } from './told.ts'

/** What there is at the end of a history, by name: the rows of each table, the calls of each method, the messages of each event or topic. */
export interface EndState {
  readonly things: ReadonlyMap<string, readonly Item[]>
  /** Why the message was not handled in the end. */
  readonly failed: string | undefined
}

export interface Seen {
  readonly told: Told
  readonly rows: Rows | undefined
  readonly snapshot: unknown
  readonly failed: string | undefined
  /** What is published, as it is read by who gets it. */
  readonly read: (message: Told['published'] extends Map<string, infer P> ? P : never) => { readonly name: string; readonly data: unknown }
}

export interface Comparing {
  /** Tables of our own, and what else is not compared: `orders`, `orders.created_at`, `gateway.find`. */
  readonly ignored: ReadonlySet<string>
  /** What may be done twice with the same content. */
  readonly idempotent: ReadonlySet<string>
}

export function endState({ told, rows, snapshot, failed, read }: Seen, { ignored, idempotent }: Comparing): EndState {
  const things = new Map<string, Item[]>()
  const add = (name: string, item: Item): void => {
    if (!ignored.has(name)) things.set(name, [...(things.get(name) ?? []), without(item, name, ignored)])
  }
  for (const [name, table] of rows?.tables ?? [])
    for (const row of table.rows) add(name, new Map(table.columns.map((column, i) => [column, unquoted(row[i] ?? '')])))
  for (const [name, items] of ofSnapshot(snapshot)) for (const item of items) add(name, fieldsOf(item))
  const calls = onceFor(told.calls)
  for (const { name, args } of calls) add(name, fieldsOf(args.length === 1 ? args[0] : { ...args }))
  for (const one of told.published.values()) {
    const { name, data } = read(one)
    add(name, fieldsOf(data))
  }
  for (const name of idempotent) things.set(name, distinct(things.get(name) ?? []))
  return { things, failed }
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

const distinct = (items: readonly Item[]): Item[] => [...new Map(items.map((item) => [keyOf(item), item])).values()]
const keyOf = (item: Item): string => JSON.stringify([...item])
const unquoted = (literal: string): string => (literal.startsWith("'") ? literal.slice(1, -1).replaceAll("''", "'") : literal)

/** What differs of a history, each in a few words: `payments 2 instead of 1`, `accounts.balance 20 instead of 10`. */
export function differences(clean: EndState, other: EndState): readonly string[] {
  const names = [...new Set([...clean.things.keys(), ...other.things.keys()])]
  const found = names.flatMap((name) => differs(name, clean.things.get(name) ?? [], other.things.get(name) ?? []))
  return other.failed === undefined ? found : [...found, other.failed]
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

/** What is another one each time, though nothing was done to the handler: an id that it makes, a time. */
export function unsteady(one: EndState, other: EndState): readonly string[] {
  const names = [...new Set([...one.things.keys(), ...other.things.keys()])]
  return names.flatMap((name) => {
    const [a, b] = [one.things.get(name) ?? [], other.things.get(name) ?? []]
    if (a.length !== b.length) return [name]
    const fields = a.flatMap((item, i) => [...item].filter(([field, value]) => b[i]?.get(field) !== value).map(([field]) => field))
    return [...new Set(fields)].map((field) => `${name}.${field}`)
  })
}
