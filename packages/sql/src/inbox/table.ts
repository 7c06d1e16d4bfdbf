import { createHash } from 'node:crypto'
import type { Feature } from '../database/schema.ts'
import { NOW } from '../database/statements.ts'
import { indexOn, quoted } from '../database/table.ts'
import type { Dialect, SqlTx } from '../tx/sql-tx.ts'

/**
 * One row for each message that a group has handled. Keys are ASCII, whatever was given: collations that take two texts for one would make a message of
 * another, and so would the character sets of two connections.
 */
export function inboxFeature(table: string): Feature {
  return {
    name: table,
    version: 1,
    ddl(dialect) {
      const name = quoted(dialect, table)
      switch (dialect) {
        case 'postgres':
          return [
            `CREATE TABLE IF NOT EXISTS ${name} (grp text COLLATE "C" NOT NULL, topic text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, at bigint NOT NULL, PRIMARY KEY (grp, topic, id))`,
            indexOn(dialect, table, 'at'),
          ]
        case 'mysql':
          return [
            `CREATE TABLE IF NOT EXISTS ${name} (${['grp', 'topic', 'id'].map((column) => `${column} varchar(${MOST}) CHARACTER SET ascii COLLATE ascii_bin NOT NULL`).join(', ')}, at bigint NOT NULL, PRIMARY KEY (grp, topic, id), KEY (at)) ENGINE = InnoDB`,
          ]
        case 'sqlite':
          return [
            `CREATE TABLE IF NOT EXISTS ${name} (grp TEXT NOT NULL, topic TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (grp, topic, id)) WITHOUT ROWID`,
            indexOn(dialect, table, 'at'),
          ]
      }
    },
  }
}

const MOST = 200
const PLAIN = new RegExp(`^(?!sha256:)[!-~]{1,${MOST}}$`)

/** The text as it is kept: ASCII without spaces as it is, everything else as its hash. */
export function kept(text: string): string {
  return PLAIN.test(text) ? text : `sha256:${createHash('sha256').update(text).digest('hex')}`
}

export interface Marking {
  readonly dialect: Dialect
  readonly table: string
  /** How long it waits for a transaction that has marked the same and is undecided. */
  readonly waitMs: number
}

/**
 * The statement that marks (group, topic, id): it writes, or returns, one row for the first, and none when it was marked before. It is one round trip, and
 * the time that it waits for a lock holds for this statement alone: what the user's own statements wait is the user's business.
 */
export function marking({ dialect, table, waitMs }: Marking): string {
  const into = `INTO ${quoted(dialect, table)} (grp, topic, id, at)`
  switch (dialect) {
    case 'postgres': {
      const before = "set_config('corebus.lock_timeout', current_setting('lock_timeout'), true)"
      const during = `set_config('lock_timeout', '${Math.ceil(waitMs)}', true)`
      // The parts of a CASE are evaluated in order. A transaction that waited in vain is rolled back, and the setting with it.
      return `INSERT ${into} SELECT ?, ?, ?, ${NOW.postgres} WHERE CASE WHEN ${before} IS NOT NULL THEN ${during} END IS NOT NULL ON CONFLICT DO NOTHING RETURNING set_config('lock_timeout', current_setting('corebus.lock_timeout'), true) AS restored`
    }
    case 'mysql':
      // A comment to MySQL, which has no such form and waits as long as it is configured to.
      return `/*M!100100 SET STATEMENT innodb_lock_wait_timeout = ${Math.max(1, Math.ceil(waitMs / 1_000))} FOR */ INSERT IGNORE ${into} VALUES (?, ?, ?, ${NOW.mysql})`
    case 'sqlite':
      return `INSERT ${into} VALUES (?, ?, ?, ${NOW.sqlite}) ON CONFLICT DO NOTHING`
  }
}

/** The row that says when the next clean-up is due. No group has a name without a character, so that nobody's message is called so. */
const CLEAN_UP = ['', '', 'clean-up'] as const

/** Takes the clean-up until `everyMs` from now. False when it is not due, or somebody else has taken it. */
export async function takeCleanUp(tx: SqlTx, table: string, everyMs: number): Promise<boolean> {
  const { dialect } = tx
  const name = quoted(dialect, table)
  const until = `${NOW[dialect]} + ?`
  const forMs = Math.ceil(everyMs)
  const taken = await tx.query(`UPDATE ${name} SET at = ${until} WHERE grp = ? AND topic = ? AND id = ? AND at <= ${NOW[dialect]}`, [
    forMs,
    ...CLEAN_UP,
  ])
  if (taken.affected > 0) return true
  // The first time. Not before the UPDATE: on MariaDB an INSERT that finds a row locks it for reading, and two who then write it are a deadlock.
  const ignore = dialect === 'mysql' ? ['INSERT IGNORE', ''] : ['INSERT', 'ON CONFLICT DO NOTHING']
  const made = await tx.query(`${ignore[0]} INTO ${name} (grp, topic, id, at) VALUES (?, ?, ?, ${until}) ${ignore[1]}`, [
    ...CLEAN_UP,
    forMs,
  ])
  return made.affected > 0
}

/** Rows that one transaction of the clean-up deletes. SQLite has one writer, which handlers wait for. */
export const BATCH: Readonly<Record<Dialect, number>> = { postgres: 10_000, mysql: 10_000, sqlite: 1_000 }

/** Deletes the oldest of what has expired, at most a batch. Keeps the clean-up for another `everyMs`. Returns how many rows it deleted. */
export async function deleteExpired(tx: SqlTx, table: string, { keepMs, everyMs }: { keepMs: number; everyMs: number }): Promise<number> {
  const { dialect } = tx
  const name = quoted(dialect, table)
  const expired = `at < ${NOW[dialect]} - ?`
  const most = BATCH[dialect]
  const { affected } = await tx.query(DELETE[dialect](name, `${expired} AND grp <> '' ORDER BY at LIMIT ${most}`), [Math.ceil(keepMs)])
  if (affected === most)
    await tx.query(`UPDATE ${name} SET at = ${NOW[dialect]} + ? WHERE grp = ? AND topic = ? AND id = ?`, [Math.ceil(everyMs), ...CLEAN_UP])
  return affected
}

const DELETE: Readonly<Record<Dialect, (name: string, which: string) => string>> = {
  postgres: (name, which) => `DELETE FROM ${name} WHERE ctid = ANY (ARRAY (SELECT ctid FROM ${name} WHERE ${which}))`,
  mysql: (name, which) => `DELETE FROM ${name} WHERE ${which}`,
  sqlite: (name, which) => `DELETE FROM ${name} WHERE (grp, topic, id) IN (SELECT grp, topic, id FROM ${name} WHERE ${which})`,
}
