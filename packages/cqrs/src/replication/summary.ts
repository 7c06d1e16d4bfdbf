import { createHash, type Hash } from 'node:crypto'
import type { Entries, Entry, Part } from './entries.ts'

type Query = Parameters<Entries['page']>[0]

/** The content of a part of the keys, in so few bytes that a million of them are a page. */
export interface Summary {
  readonly after: string
  /** Null: to the end. */
  readonly until: string | null
  readonly rows: number
  /** The hash of keys and revisions, and of which rows are not there. */
  readonly hash: string
  /** The hash of each field, in a deep comparison, so that a side which has only some of them can compare those. */
  readonly fields?: Readonly<Record<string, string>>
}

/** Rows of one summary, and the most that one statement reads. */
export const ROWS_OF_A_PART = 2_000

export const partOf = ({ after, until }: Pick<Summary, 'after' | 'until'>): Part => ({ after, until: until ?? undefined })

/** Summaries of all keys, a part each. Each part is read in a transaction of its own. */
export async function* summaries(entries: Entries, read: <T>(work: (tx: Query) => Promise<T>) => Promise<T>): AsyncGenerator<Summary> {
  for (let after = ''; ; ) {
    const from = after
    const page = await read((tx) => entries.page(tx, { after: from, until: undefined }, ROWS_OF_A_PART))
    const isLast = page.length < ROWS_OF_A_PART
    const until = isLast ? null : (page.at(-1)?.key ?? null)
    yield summaryOf(page, { after: from, until })
    if (isLast || until === null) return
    after = until
  }
}

/** All entries of a part, which may be more than it had on the other side. */
export async function entriesOf(entries: Entries, tx: Query, { until, after }: Part): Promise<readonly Entry[]> {
  const all: Entry[] = []
  for (let from = after; ; ) {
    const page = await entries.page(tx, { after: from, until }, ROWS_OF_A_PART)
    all.push(...page)
    const last = page.at(-1)
    if (page.length < ROWS_OF_A_PART || !last) return all
    from = last.key
  }
}

export function summaryOf(entries: readonly Entry[], { after, until }: Pick<Summary, 'after' | 'until'>): Summary {
  const whole = createHash('sha256')
  const fields = new Map<string, Hash>()
  for (const { key, revision, fields: values } of entries) {
    // Lengths before texts: no two lists of them are one text.
    whole.update(`${key.length} ${key} ${revision} ${values === null ? 'absent' : 'there'}\n`)
    for (const [field, text] of Object.entries(values ?? {})) {
      const hash = fields.get(field) ?? createHash('sha256')
      fields.set(field, hash.update(`${key.length} ${key} ${text.length} ${text}\n`))
    }
  }
  const deep = entries.some((one) => one.fields !== undefined)
  return {
    after,
    until,
    rows: entries.length,
    hash: whole.digest('base64url'),
    ...(deep && { fields: Object.fromEntries([...fields].map(([field, hash]) => [field, hash.digest('base64url')])) }),
  }
}

/** Whether the part holds the same on both sides, as far as both have the fields. */
export function isSame(one: Summary, other: Summary): boolean {
  if (one.rows !== other.rows || one.hash !== other.hash) return false
  const theirs = other.fields ?? {}
  return Object.entries(one.fields ?? {}).every(([field, hash]) => !Object.hasOwn(theirs, field) || theirs[field] === hash)
}

/** A text that stands for a field's value where files are compared: the value itself may be long, or nobody else's business. */
export const shortHash = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 16)
