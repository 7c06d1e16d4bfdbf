import { CorebusError, type Session } from '@corebus/core'
import type { SqlConnection, SqlSessions } from '../database/database.ts'
import { adapt } from '../tx/adapt.ts'
import { txOf, withBegun } from '../tx/begun.ts'
import { isConflict, isReadOnly } from '../tx/database-errors.ts'
import type { Dialect, SqlTx } from '../tx/sql-tx.ts'
import { type Guarded, guarded } from './guarded.ts'
import { whenUnlocked } from './locked.ts'
import type { Isolation, SessionOptions } from './options.ts'
import { type SessionKey, serialised } from './serialised.ts'
import { type Statements, unlessSwallowed } from './swallowed.ts'

/** How one library runs transactions on one database. */
export interface Library<Tx extends object> {
  readonly dialect: Dialect
  /** The database object of the library: sessions take turns by it where there is one connection and no file. */
  readonly root: object
  /** Commits when the work resolves, rolls back when it rejects. */
  transaction<T>(work: (tx: Tx) => Promise<T>, isolation?: Isolation): Promise<T>
  /** The same, where the library can begin a transaction that only reads. Elsewhere a statement makes one of it. */
  read?<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** The library runs statements after the end of a transaction: by themselves, or in somebody else's. */
  readonly goesOn?: true
  /** The library rejects a commit after a statement that failed. Elsewhere PostgreSQL rolls back, and nobody is told. */
  readonly tellsFailure?: true
  /** The library has one connection, so that a session inside of another one would wait for it. */
  readonly oneConnection?: true
  /** SQLite: the library's transactions begin with its lock. */
  readonly locks?: true
  /** MySQL: what the statements of a transaction go through, where the library shows it. Elsewhere nobody sees that a handler swallows a deadlock. */
  statements?(tx: Tx): Statements | undefined | Promise<Statements | undefined>
  connect?(): Promise<SqlConnection>
}

const DATABASES: Readonly<Record<Dialect, string>> = { postgres: 'PostgreSQL', mysql: 'MySQL or MariaDB', sqlite: 'SQLite' }

/** So often is a session run again at once after a serialisation failure or a deadlock. */
const MOST_RETRIES = 3

/** Sessions and a database by one library. `name` is what the user called; `reader` is what reading sessions use, where it is another database object. */
export function sessionsOf<Tx extends object>(
  name: string,
  library: Library<Tx>,
  { isolation, busyTimeoutMs = 5_000 }: SessionOptions = {},
  reader: Library<Tx> = library,
): SqlSessions<Tx> {
  const { dialect, connect } = library
  if (isolation !== undefined && dialect === 'sqlite')
    throw new CorebusError('OPTION', `${name}: isolation is no option on SQLite, whose transactions are all serializable: leave it out`)
  const where = `${DATABASES[dialect]} of ${name}`
  const begin = dialect === 'sqlite' && !library.locks ? (sql: SqlTx) => immediate(sql, where, busyTimeoutMs) : undefined
  const write = (level?: Isolation): Session<Tx> => inLine(library, writingSession(name, library, level, begin))
  const read = readingSession(name, reader, reader !== library)
  const ours = write(dialect === 'sqlite' ? undefined : 'read committed')
  return {
    write: retried(write(isolation)),
    read,
    database: {
      dialect,
      where,
      transaction: (work) => ours((tx) => work(txOf(tx, dialect))),
      read: (work) => read((tx) => work(txOf(tx, dialect))),
      ...(connect && { connect }),
    },
  }
}

/** Runs the whole session again when the database ended it because of another one: that costs its handler no attempt. */
export function retried<Db>(session: Session<Db>): Session<Db> {
  return async (work) => {
    for (let left = MOST_RETRIES; ; left--) {
      try {
        return await session(work)
      } catch (thrown) {
        if (left === 0 || !isConflict(thrown)) throw thrown
      }
    }
  }
}

function writingSession<Tx extends object>(
  name: string,
  library: Library<Tx>,
  level: Isolation | undefined,
  begin: ((sql: SqlTx) => Promise<void>) | undefined,
): Session<Tx> {
  const { dialect } = library
  return <T>(work: (tx: Tx) => Promise<T>) =>
    transacted<Tx, T>(
      library,
      name,
      (inside) => library.transaction(inside, level),
      async (tx, hand) => {
        if (begin) await begin(adapt(tx, { dialect, begun: true }))
        return hand(tx, async (handed) => {
          const result = await work(handed)
          // A statement that failed and whose error was swallowed would make a rollback of the commit.
          if (dialect === 'postgres' && !library.tellsFailure) await txOf(handed, dialect).query('SELECT 1')
          return result
        })
      },
    )
}

type Hand<Tx extends object> = <T>(tx: Tx, work: (tx: Tx) => Promise<T>) => Promise<T>

/** Runs a transaction of the library, whose `inside` hands it out with `hand`. What was handed out is over as soon as the library is done with it. */
async function transacted<Tx extends object, T>(
  { dialect, goesOn, statements }: Library<Tx>,
  name: string,
  begin: (work: (tx: Tx) => Promise<T>) => Promise<T>,
  inside: (tx: Tx, hand: Hand<Tx>) => Promise<T>,
): Promise<T> {
  let guard: Guarded<Tx> | undefined
  const give: Hand<Tx> = async (tx, work) => {
    const sql = sqlOf(tx, dialect)
    if (!goesOn) return withBegun(tx, sql, work)
    guard = guarded(tx, name)
    return withBegun(guard.tx, sql, work).finally(guard.end)
  }
  const hand: Hand<Tx> = async (tx, work) => {
    const through = dialect === 'mysql' ? await statements?.(tx) : undefined
    return through ? unlessSwallowed(through, () => give(tx, work)) : give(tx, work)
  }
  let working: Promise<T> | undefined
  try {
    return await begin((tx) => {
      working = inside(tx, hand)
      return working
    })
  } finally {
    // postgres.js rejects as soon as its connection is lost, while the work goes on: it is refused from now on, and waited for.
    guard?.end()
    await working?.catch(() => undefined)
  }
}

const adapted = new WeakMap<object, SqlTx>()

/** Drivers give the same connections again and again: what each is, is found out once. */
function sqlOf(tx: object, dialect: Dialect): SqlTx {
  const known = adapted.get(tx)
  if (known) return known
  const sql = adapt(tx, { dialect, begun: true })
  adapted.set(tx, sql)
  return sql
}

const ONLY_READS: Readonly<Record<Dialect, string>> = {
  postgres: 'SET TRANSACTION READ ONLY',
  // It ends the transaction that the library has begun, in which nothing has happened yet.
  mysql: 'START TRANSACTION READ ONLY',
  sqlite: 'PRAGMA query_only = ON',
}

function readingSession<Tx extends object>(name: string, library: Library<Tx>, own: boolean): Session<Tx> {
  const { dialect } = library
  const { read: begin } = library
  const transaction: Session<Tx> = begin
    ? (work) => transacted(library, name, begin, (tx, hand) => hand(tx, work))
    : (work) =>
        transacted(library, name, library.transaction, async (tx, hand) => {
          const sql = adapt(tx, { dialect, begun: true })
          await sql.query(ONLY_READS[dialect])
          try {
            return await hand(tx, work)
          } finally {
            if (dialect === 'sqlite') await sql.query('PRAGMA query_only = OFF')
          }
        })
  // A database object that only reads waits for nobody who writes; those that read by it take turns, as they share its connection.
  const read = own && dialect === 'sqlite' ? serialised(library.root, transaction) : inLine(library, transaction)
  return async (work) => {
    try {
      return await read(work)
    } catch (thrown) {
      throw isReadOnly(thrown) ? onlyReads(thrown) : thrown
    }
  }
}

export function onlyReads(cause: unknown): CorebusError {
  return new CorebusError(
    'SESSION_READS',
    "this session only reads, as that of a GET or HEAD request and of session: 'read' does: say session: true where something is written",
    { cause },
  )
}

/** On SQLite sessions take turns by file, whichever library they are of. */
function inLine<Tx extends object>(library: Library<Tx>, session: Session<Tx>): Session<Tx> {
  if (library.dialect === 'sqlite') return async (work) => serialised(await fileOf(library), session)(work)
  return library.oneConnection ? serialised(library.root, session) : session
}

const files = new WeakMap<object, Promise<SessionKey>>()

function fileOf<Tx extends object>({ root, transaction }: Library<Tx>): Promise<SessionKey> {
  const known = files.get(root)
  if (known) return known
  const asked = transaction(async (tx): Promise<SessionKey> => {
    const { rows } = await adapt(tx, { dialect: 'sqlite', begun: true }).query("SELECT file FROM pragma_database_list WHERE name = 'main'")
    return String(rows[0]?.file ?? '') || root
  })
  files.set(root, asked)
  asked.catch(() => files.delete(root))
  return asked
}

/**
 * Libraries begin a transaction of SQLite without its lock: one that has read and then writes fails when somebody else wrote in between, and waits for
 * a lock inside of SQLite, where the event loop stands still. So the session takes the lock first.
 */
async function immediate(sql: SqlTx, where: string, busyTimeoutMs: number): Promise<void> {
  const { rows } = await sql.query('PRAGMA busy_timeout')
  const ownTimeoutMs = Number(rows[0]?.timeout ?? 0)
  await sql.query('ROLLBACK')
  await sql.query('PRAGMA busy_timeout = 0')
  try {
    await whenUnlocked(() => sql.query('BEGIN IMMEDIATE'), `BEGIN IMMEDIATE: ${where}`, busyTimeoutMs)
  } catch (thrown) {
    // The library will roll back.
    await sql.query('BEGIN')
    throw thrown
  } finally {
    await sql.query(`PRAGMA busy_timeout = ${ownTimeoutMs}`)
  }
}

/** @throws CorebusError TX_DIALECT where the library does not say which database it is of, or says one that is not known */
export function dialectOf(name: string, found: Dialect | undefined): Dialect {
  if (found) return found
  throw new CorebusError(
    'TX_DIALECT',
    `${name}: the database of what was given is not known. PostgreSQL, MySQL, MariaDB and SQLite are, and ${name} wants the database object of its library, as it is made once for a process`,
  )
}
