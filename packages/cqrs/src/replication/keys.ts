import { CorebusError } from '@corebus/core'
import type { Dialect } from '@corebus/sql'
import type { TableColumn } from './columns.ts'
import { MOST_KEY_LENGTH } from './tables.ts'

/** A key as code gives it. Everywhere else it is text: `12345`. */
export type Key = string | number | bigint

const KINDS: readonly string[] = ['integer', 'text', 'uuid']

/** @throws CorebusError REPLICATION for a column that identifies no row on every database alike */
export function checkKeyColumn(column: TableColumn | undefined, key: string, what: string): TableColumn {
  const wrong = (why: string) => new CorebusError('REPLICATION', `${what} has the key ${key}, ${why}`)
  if (!column) throw wrong('and its table has no such column')
  if (!KINDS.includes(column.kind)) throw wrong(`which is ${column.type}: a key is an integer, a text or a uuid`)
  return column
}

/** @throws CorebusError REPLICATION_KEY for what can be no key */
export function keyText(key: unknown, what: string): string {
  const text = typeof key === 'number' || typeof key === 'bigint' ? String(key) : key
  if (
    typeof text === 'string' &&
    text !== '' &&
    text.length <= MOST_KEY_LENGTH &&
    !text.includes('\0') &&
    !(typeof key === 'number' && !Number.isSafeInteger(key))
  )
    return text
  const found =
    typeof key === 'string'
      ? `a text of ${key.length} characters`
      : key === null
        ? 'null'
        : typeof key === 'number'
          ? String(key)
          : typeof key
  throw new CorebusError(
    'REPLICATION_KEY',
    `${what}: a key is an integer or a text of 1 to ${MOST_KEY_LENGTH} characters without U+0000, not ${found}`,
  )
}

/**
 * MySQL and MariaDB compare texts as if blanks at their end were not there, so the keys `a` and `a ` would share a revision, and changes of one be old ones.
 * @throws CorebusError REPLICATION_KEY
 */
export function refuseBlankEnd(dialect: Dialect, keys: readonly string[], what: string): void {
  const key = dialect === 'mysql' ? keys.find((one) => one.endsWith(' ')) : undefined
  if (key === undefined) return
  throw new CorebusError(
    'REPLICATION_KEY',
    `${what}: the key ${JSON.stringify(key)} ends with a blank, and MySQL and MariaDB do not tell it from the key without: give the row another key`,
  )
}

/** The keys in the order in which rows are locked, the same in every process: two transactions with the same keys never wait for each other. */
export const inLockOrder = (keys: Iterable<string>): readonly string[] => [...new Set(keys)].sort()
