import { CorebusError } from '@corebus/core'
import { drizzle, knex, kysely } from './builders.ts'
import { isEnded, isFailed, isOutside, isReadOnly } from './database-errors.ts'
import { mysql2, pglite, postgresJs } from './drivers.ts'
import { mikroOrm, prisma, typeorm } from './orms.ts'
import { pg } from './pg.ts'
import { calls, type LibraryTx, property, type Recogniser, type TxState } from './recogniser.ts'
import { DIALECTS, type Dialect, fromLibrary, intoLibrary, type SqlTx, type SqlValue, type StatementOptions } from './sql-tx.ts'
import { betterSqlite3, nodeSqlite } from './sqlite.ts'
import { timed } from './time.ts'

const CONNECTIONS = {
  'node:sqlite': nodeSqlite,
  'better-sqlite3': betterSqlite3,
  PGlite: pglite,
  'postgres.js': postgresJs,
  mysql2,
  pg,
}
const BUILDERS = { Kysely: kysely, Knex: knex }

/** The libraries that are known. The first that recognises a transaction opens it. */
const LIBRARIES: Readonly<Record<string, Recogniser>> = {
  ...BUILDERS,
  Drizzle: drizzle(oneOf(CONNECTIONS)),
  TypeORM: typeorm,
  MikroORM: mikroOrm(oneOf(BUILDERS)),
  Prisma: prisma,
  ...CONNECTIONS,
}

export interface AdaptOptions {
  /** The database of the transaction, where its library does not say (Prisma, and drivers that are not known). */
  readonly dialect?: Dialect
  /**
   * The caller has begun the transaction and ends it: the database need not be asked whether there is one. It is asked before every statement of a
   * transaction whose library does not say (postgres.js, mysql2, Drizzle), which is a round trip more.
   */
  readonly begun?: boolean
}

/**
 * A transaction as the user's library gives it, as a `SqlTx`. What is in no transaction is refused before anything is written: at once where the library
 * says so, else with the first statement.
 * @throws CorebusError TX_UNKNOWN, TX_DIALECT, TX_AUTOCOMMIT, TX_OVER, TX_FAILED; a query also TX_READ_ONLY
 * @example
 * await db.transaction().execute(async (trx) => adapt(trx).query('INSERT INTO notes (id) VALUES (?)', [1]))
 * await prisma.$transaction(async (tx) => adapt(tx, { dialect: 'postgres' }).query('SELECT 1'))
 */
export function adapt(tx: unknown, { dialect: wanted, begun = false }: AdaptOptions = {}): SqlTx {
  return opened(tx, { wanted, begun, alone: false })
}

/** The same for statements that only read, which need no transaction: also over a plain connection. */
export function adaptReading(db: unknown, wanted: Dialect | undefined): SqlTx {
  return opened(db, { wanted, begun: true, alone: true })
}

interface Opening {
  readonly wanted: Dialect | undefined
  readonly begun: boolean
  /** A statement may stand alone, without a transaction around it. */
  readonly alone: boolean
}

function opened(tx: unknown, { wanted, begun, alone }: Opening): SqlTx {
  if (isSqlTx(tx)) return checked(tx, nameOf(tx), wanted)
  const [name, known] = (isSomething(tx) && recognised(tx)) || []
  if (!known)
    throw new CorebusError(
      'TX_UNKNOWN',
      `${nameOf(tx)} is no transaction that is known here. Pass what your library gives inside of a transaction (known are ${Object.keys(LIBRARIES).join(', ')}), or an object of your own with "dialect" and "query"`,
    )
  const what = `${nameOf(tx)} of ${name}`
  const library = alone ? { ...known, state: () => stateAlone(known.state()) } : known
  refuse(library.state(), what)
  const dialect = wanted ?? library.dialect
  if (!dialect)
    throw new CorebusError(
      'TX_DIALECT',
      `${what} does not say which database it is of: say adapt(tx, { dialect }) with ${DIALECTS.join(', ')}`,
    )
  return checked({ dialect: library.dialect ?? dialect, query: queries(library, { what, dialect, begun }) }, what, wanted)
}

const stateAlone = (state: TxState): TxState => (state === 'autocommit' ? 'open' : state)

function queries(library: LibraryTx, { what, dialect, begun }: { what: string; dialect: Dialect; begun: boolean }): SqlTx['query'] {
  return async (sql: string, params: readonly SqlValue[] = [], options?: StatementOptions) => {
    const state = library.state()
    refuse(state, what)
    const text = timed(sql, dialect)
    try {
      // Each time: it may have ended since, and what is written then would be committed by itself.
      if (state === 'unknown' && !begun) await ASK[dialect](library)
      // Not awaited before it is begun: a library that does not wait has run it by then, inside of a transaction that does not wait either.
      // The text with the time of a test is not run again.
      const { rows, affected } = await library.run(text, params.map(intoLibrary), dialect, text === sql ? options : undefined)
      return { rows: rows.map(fromLibrary), affected }
    } catch (error) {
      throw translated(error, what)
    }
  }
}

/** Statements that a database refuses outside of a transaction, and that change nothing inside of one. */
const ASK: Readonly<Record<Dialect, (library: LibraryTx) => Promise<void>>> = {
  // The weakest lock there is, on a catalogue that every query locks in the same way.
  async postgres(library) {
    await library.run('LOCK TABLE pg_catalog.pg_class IN ACCESS SHARE MODE', [], 'postgres')
  },
  // Outside of a transaction a savepoint is gone as soon as it is made.
  async mysql(library) {
    await library.run('SAVEPOINT corebus_asks', [], 'mysql')
    await library.run('RELEASE SAVEPOINT corebus_asks', [], 'mysql')
  },
  // Every library for SQLite says it by itself.
  async sqlite() {},
}

function refuse(state: TxState, what: string, cause?: unknown): void {
  switch (state) {
    case 'open':
    case 'unknown':
      return
    case 'autocommit':
      throw new CorebusError(
        'TX_AUTOCOMMIT',
        `no transaction is open on ${what}: it was never begun, or it has ended. Begin one, and pass what your library gives inside of it`,
        { cause },
      )
    case 'over':
      throw new CorebusError(
        'TX_OVER',
        `the transaction of ${what} is over: use it inside of its callback, or before its commit, and wait there for everything that uses it`,
        { cause },
      )
    case 'failed':
      throw new CorebusError(
        'TX_FAILED',
        `a statement in the transaction of ${what} has failed before, and PostgreSQL takes no more of them: roll it back, and put a savepoint around what may fail`,
        { cause },
      )
  }
}

function translated(error: unknown, what: string): unknown {
  try {
    if (isOutside(error)) refuse('autocommit', what, error)
    if (isFailed(error)) refuse('failed', what, error)
    if (isEnded(error)) refuse('over', what, error)
  } catch (refused) {
    return refused
  }
  if (!isReadOnly(error)) return error
  return new CorebusError(
    'TX_READ_ONLY',
    `the transaction of ${what} can only read: begin one that writes, on a server that takes writes`,
    {
      cause: error,
    },
  )
}

function checked(tx: SqlTx, what: string, wanted: Dialect | undefined): SqlTx {
  if (wanted === undefined || wanted === tx.dialect) return tx
  throw new CorebusError(
    'TX_DIALECT',
    `${what} is a transaction of ${tx.dialect}, and not of ${wanted}: pass one of the database that is meant`,
  )
}

function recognised(given: object): readonly [name: string, library: LibraryTx] | undefined {
  for (const [name, recognise] of Object.entries(LIBRARIES)) {
    const library = recognise(given)
    if (library) return [name, library]
  }
  return undefined
}

function oneOf(recognisers: Readonly<Record<string, Recogniser>>): Recogniser {
  return (given) => {
    for (const recognise of Object.values(recognisers)) {
      const library = recognise(given)
      if (library) return library
    }
    return undefined
  }
}

const isSomething = (given: unknown): given is object => (typeof given === 'object' && given !== null) || typeof given === 'function'
const isSqlTx = (given: unknown): given is SqlTx =>
  isSomething(given) && calls(given, 'query') && DIALECTS.some((one) => one === property(given, 'dialect'))

/** What was given, by the name of its class: what is in it may be a secret. */
function nameOf(given: unknown): string {
  if (!isSomething(given)) return given === undefined || given === null ? String(given) : `a ${typeof given}`
  const { name } = given.constructor ?? {}
  if (typeof given === 'function') return 'a function'
  return name && name !== 'Object' ? `a ${name}` : 'an object'
}
