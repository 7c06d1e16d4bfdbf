const MOST_LAYERS = 20

/** Libraries wrap what the database said, some more than once, and each keeps it elsewhere. */
const WITHIN = ['cause', 'driverError', 'originalError', 'meta', 'driverAdapterError']
/** The last three are what Prisma's drivers have: `kind` is the same for all databases, and the message of SQLite begins with its code. */
const CODES = ['code', 'errno', 'errcode', 'sqlState', 'originalCode', 'kind', 'originalMessage']

/** An error and what it wraps, the outermost first. */
function* layersOf(error: unknown): Generator<object> {
  const left: unknown[] = [error]
  for (let n = 0; n < MOST_LAYERS && left.length > 0; n++) {
    const one = left.shift()
    if (typeof one !== 'object' || one === null) continue
    yield one
    left.push(...WITHIN.map((name): unknown => Reflect.get(one, name)).filter((inner) => inner !== undefined))
  }
}

/** The error that the others are wrapped around: what the database's own client said. */
export function innermost(error: unknown): unknown {
  const errors = [...layersOf(error)].filter((layer) => layer instanceof Error)
  return errors.at(-1) ?? error
}

/** Every code in an error and in what it wraps, as text. */
function codesOf(error: unknown): ReadonlySet<string> {
  return new Set([...layersOf(error)].flatMap((layer) => CODES.flatMap((name) => asTexts(name, Reflect.get(layer, name)))))
}

/** SQLite has a code of its own for each way in which something is read-only, busy or not unique: the general one is added. */
function asTexts(name: string, code: unknown): readonly string[] {
  if (typeof code === 'number') return name === 'errcode' ? [`SQLITE ${code}`, `SQLITE ${code & 0xff}`] : [String(code)]
  if (typeof code !== 'string') return []
  const [general] = /^SQLITE_[A-Z]+/.exec(code) ?? [code]
  return [code, general]
}

const oneOf = (error: unknown, codes: readonly string[]): boolean => {
  const found = codesOf(error)
  return codes.some((code) => found.has(code))
}

const UNIQUE = [
  '23505', // PostgreSQL
  'ER_DUP_ENTRY',
  '1062', // MySQL
  'SQLITE_CONSTRAINT_UNIQUE',
  'SQLITE_CONSTRAINT_PRIMARYKEY',
  'SQLITE 2067', // as node:sqlite says it
  'SQLITE 1555',
  'P2002', // Prisma, and of a statement of our own
  'UniqueConstraintViolation',
]

/** Whether a row of that key is there already: of every database, and of every library that `adapt` knows. */
export function isUniqueViolation(error: unknown): boolean {
  return oneOf(error, UNIQUE)
}

const REFERENCE = [
  '23503', // PostgreSQL
  'ER_NO_REFERENCED_ROW',
  'ER_NO_REFERENCED_ROW_2',
  'ER_ROW_IS_REFERENCED',
  'ER_ROW_IS_REFERENCED_2',
  '1216', // MySQL
  '1217',
  '1451',
  '1452',
  'SQLITE_CONSTRAINT_FOREIGNKEY',
  'SQLITE 787',
  'SQLITE_CONSTRAINT_TRIGGER', // what SQLite says of a foreign key with RESTRICT
  'SQLITE 1811',
  'P2003',
  'ForeignKeyConstraintViolation',
]

const VALUE = [
  '22001', // PostgreSQL: too long, out of range, no value of the type, a time that is none, no UTF-8 or U+0000, a check
  '22003',
  '22P02',
  '22007',
  '22008',
  '22021',
  '22P05',
  '23514',
  'ER_DATA_TOO_LONG', // MySQL
  '1406',
  'ER_WARN_DATA_OUT_OF_RANGE',
  '1264',
  'ER_TRUNCATED_WRONG_VALUE',
  '1292',
  'ER_TRUNCATED_WRONG_VALUE_FOR_FIELD',
  '1366',
  'WARN_DATA_TRUNCATED',
  '1265',
  'ER_CHECK_CONSTRAINT_VIOLATED',
  '3819',
  '4025', // MariaDB: a check
  'SQLITE_CONSTRAINT_CHECK',
  'SQLITE 275',
  'SQLITE_CONSTRAINT_DATATYPE',
  'SQLITE 3091',
  'SQLITE_MISMATCH',
  'SQLITE 20',
  'P2000', // Prisma
  'P2020',
]

/** A value that must be unique is `taken`; a row that is referred to is not there, or is needed by others: `reference`; a `value` does not fit its column. */
export type Refusal = 'taken' | 'reference' | 'value'

/** Why a database has refused what it was given, where somebody who asked for it can do otherwise; undefined for every other error. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (isUniqueViolation(error)) return 'taken'
  if (oneOf(error, REFERENCE)) return 'reference'
  return oneOf(error, VALUE) ? 'value' : undefined
}

const CONFLICT = [
  '40001', // PostgreSQL and MySQL: serialisation
  '40P01', // PostgreSQL: deadlock
  '26000', // PostgreSQL: the connection was told to forget a prepared statement
  'ER_LOCK_DEADLOCK',
  '1213',
  'ER_CHECKREAD', // MariaDB: the row has changed since this transaction's snapshot
  '1020',
  'SQLITE_BUSY_SNAPSHOT', // somebody else has written since this transaction began to read
  'SQLITE 517',
  'P2034', // Prisma, and of a statement of our own
  'TransactionWriteConflict',
]

const BUSY = ['SQLITE_BUSY', 'SQLITE 5']

const RETRYABLE = [...CONFLICT, ...BUSY, 'ER_LOCK_WAIT_TIMEOUT', '1205']

/** Whether the database ended the transaction because of another one: it may succeed when it is run again at once, with nothing to wait for. */
export function isConflict(error: unknown): boolean {
  return oneOf(error, CONFLICT)
}

/** Whether another connection has the file of SQLite locked. */
export function isBusy(error: unknown): boolean {
  return oneOf(error, BUSY)
}

/** Whether the whole transaction may succeed when it is run again: a serialisation failure, a deadlock, a lock that was held for too long. */
export function isRetryable(error: unknown): boolean {
  return oneOf(error, RETRYABLE)
}

/** Whether a statement has waited for a lock for as long as it may. */
export function isLockTimeout(error: unknown): boolean {
  return oneOf(error, ['55P03', 'ER_LOCK_WAIT_TIMEOUT', '1205'])
}

/** Whether the user of the database may not do it. */
export function isDenied(error: unknown): boolean {
  return oneOf(error, ['42501', 'ER_TABLEACCESS_DENIED_ERROR', '1142'])
}

/** Whether a statement has more bytes than the database takes. */
export function isTooLarge(error: unknown): boolean {
  return oneOf(error, ['ER_NET_PACKET_TOO_LARGE', '1153', '54000', 'SQLITE_TOOBIG', 'SQLITE 18'])
}

/** Whether the connection of a client of MySQL went down under a statement. */
export function isCutOff(error: unknown): boolean {
  return oneOf(error, ['EPIPE', 'ECONNRESET', 'ECONNABORTED', 'PROTOCOL_CONNECTION_LOST'])
}

/** Whether the database refused to write because the transaction, or the whole database, can only be read. */
export function isReadOnly(error: unknown): boolean {
  return oneOf(error, [
    '25006',
    'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION',
    '1792',
    'ER_OPTION_PREVENTS_STATEMENT',
    'SQLITE_READONLY',
    'SQLITE 8',
  ])
}

const MISSING = ['42P01', 'ER_NO_SUCH_TABLE', '1146', 'P2021', 'TableDoesNotExist']
/** SQLite has no code for it, and Prisma none for a statement of our own. A database or a user may be missing too, which is another matter. */
const NO_TABLE = /no such table|\b(relation|table)\b.* (does not|doesn't) exist/i

/** Whether a statement failed because a table is not there. */
export function isMissingTable(error: unknown): boolean {
  return oneOf(error, MISSING) || [...layersOf(error)].some((layer) => layer instanceof Error && NO_TABLE.test(layer.message))
}

/** Whether PostgreSQL takes nothing more in this transaction, because a statement of it has failed. */
export function isFailed(error: unknown): boolean {
  return oneOf(error, ['25P02'])
}

/** Whether a statement was refused that can only be run in a transaction. */
export function isOutside(error: unknown): boolean {
  return oneOf(error, ['25P01', 'ER_SP_DOES_NOT_EXIST', '1305'])
}

/** What Kysely, Knex and PGlite say of a transaction that has ended. They have no code for it. */
const ENDED = /^Transaction (is already (committed|rolled back)|is closed|query already complete)/

/** Whether a library refused a statement because its transaction has ended. */
export function isEnded(error: unknown): boolean {
  return oneOf(error, ['P2028']) || [...layersOf(error)].some((layer) => layer instanceof Error && ENDED.test(layer.message))
}
