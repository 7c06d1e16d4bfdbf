import type { DatabaseSync } from 'node:sqlite'
import { CorebusError } from '../../errors.ts'

/** "core", so that `file` and we ourselves know whose file it is. */
const APPLICATION_ID = 0x636f7265
const VERSION = 1

export const PARTITIONS = 16

const STORED = 'id TEXT NOT NULL, key, headers TEXT, body BLOB NOT NULL, at INTEGER NOT NULL, tombstone INTEGER NOT NULL'

// A table per partition: its newest page is where every insert goes, which SQLite does at the price of an append. In one table the sixteen
// partitions split pages in the middle of the tree, 20 to 40 % slower.
const LOGS = Array.from({ length: PARTITIONS }, (_, part) => `CREATE TABLE log_${part} (seq INTEGER PRIMARY KEY, ${STORED});`).join('\n')

/** What members say of themselves. Files of earlier builds, which know nothing of it, get it when they are opened. */
const NOTES = `CREATE TABLE IF NOT EXISTS notes (grp TEXT NOT NULL, member TEXT NOT NULL, note TEXT NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY (grp, member)) WITHOUT ROWID;`

const SCHEMA = `
CREATE TABLE topics (topic_id INTEGER PRIMARY KEY, topic TEXT NOT NULL UNIQUE, grouped INTEGER NOT NULL DEFAULT 0);
CREATE TABLE parts (part_id INTEGER PRIMARY KEY, head INTEGER NOT NULL, base INTEGER NOT NULL);
${LOGS}
CREATE TABLE members (member INTEGER PRIMARY KEY AUTOINCREMENT, file TEXT NOT NULL);
CREATE TABLE reading (grp TEXT NOT NULL, topic_id INTEGER NOT NULL, member INTEGER NOT NULL, exclusive INTEGER NOT NULL, paused INTEGER NOT NULL,
  PRIMARY KEY (grp, topic_id, member)) WITHOUT ROWID;
CREATE TABLE positions (grp TEXT NOT NULL, part_id INTEGER NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL, owner INTEGER, done BLOB, suspects TEXT,
  PRIMARY KEY (grp, part_id)) WITHOUT ROWID;
CREATE INDEX owned ON positions (owner) WHERE owner IS NOT NULL;
CREATE TABLE due (seq INTEGER PRIMARY KEY AUTOINCREMENT, grp TEXT NOT NULL, topic_id INTEGER NOT NULL, due_at INTEGER NOT NULL, owner INTEGER,
  unsettled INTEGER NOT NULL, ${STORED});
CREATE INDEX due_next ON due (grp, topic_id, due_at) WHERE owner IS NULL;
CREATE INDEX due_owned ON due (owner) WHERE owner IS NOT NULL;
CREATE TABLE places (grp TEXT NOT NULL, topic_id INTEGER NOT NULL, name TEXT NOT NULL, ttl_ms INTEGER, PRIMARY KEY (grp, topic_id)) WITHOUT ROWID;
CREATE TABLE dead (seq INTEGER PRIMARY KEY AUTOINCREMENT, grp TEXT NOT NULL, topic_id INTEGER NOT NULL, place TEXT NOT NULL, stored_at INTEGER NOT NULL,
  expires_at INTEGER, ${STORED});
CREATE INDEX dead_of ON dead (topic_id, grp);
CREATE INDEX dead_expiring ON dead (expires_at) WHERE expires_at IS NOT NULL;
${NOTES}
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${VERSION};
`

function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
}

function isEmpty(db: DatabaseSync): boolean {
  return pragma(db, 'application_id') === 0 && db.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined
}

/** Makes the tables in an empty file; refuses one that is not ours or of another version. Throws SQLite's own "busy" when another process is at it. */
export function openSchema(db: DatabaseSync, path: string): void {
  if (isEmpty(db)) initialise(db)
  if (pragma(db, 'application_id') !== APPLICATION_ID) {
    throw new CorebusError('BROKER_FILE_FOREIGN', `${path} is a database of something else: name another file for the broker`)
  }
  const version = pragma(db, 'user_version')
  if (version !== VERSION) {
    throw new CorebusError(
      'BROKER_FILE_VERSION',
      `the broker's file ${path} has format ${version}, this version of Corebus reads format ${VERSION}: use the version that made it, or another file`,
    )
  }
  if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'notes'").get() === undefined) db.exec(NOTES)
}

function initialise(db: DatabaseSync): void {
  db.exec('PRAGMA journal_mode = WAL')
  db.exec('BEGIN IMMEDIATE')
  try {
    if (isEmpty(db)) db.exec(SCHEMA)
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction !== false) db.exec('ROLLBACK')
    throw error
  }
}
