import type { Dialect, Feature } from '@corebus/sql'
import { leaseFeature, quoted } from '@corebus/sql/internal'

/** The tables of projections: where each stands, the journal, and the leases of those who rebuild. */
export interface Tables {
  readonly projections: string
  readonly journal: string
  readonly leases: string
}

export const tablesOf = (table: string): Tables => ({ projections: table, journal: `${table}_journal`, leases: `${table}_leases` })

/** The row that stands for the journal where there are no locks but those of rows. No projection is named so. */
export const JOURNAL_ROW = '*'

interface Columns {
  readonly seq: string
  readonly key: string
  readonly text: string
  readonly long: string
  readonly bytes: string
  readonly end: string
}

const COLUMNS: Readonly<Record<Dialect, Columns>> = {
  postgres: {
    seq: 'bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
    key: 'text COLLATE "C"',
    text: 'text COLLATE "C"',
    long: 'text',
    bytes: 'bytea',
    end: '',
  },
  mysql: {
    seq: 'bigint NOT NULL AUTO_INCREMENT PRIMARY KEY',
    key: 'varchar(200) CHARACTER SET ascii COLLATE ascii_bin',
    text: 'varchar(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
    long: 'longtext CHARACTER SET utf8mb4',
    bytes: 'longblob',
    end: ' ENGINE = InnoDB',
  },
  sqlite: { seq: 'INTEGER PRIMARY KEY AUTOINCREMENT', key: 'TEXT', text: 'TEXT', long: 'TEXT', bytes: 'BLOB', end: '' },
}

export function projectionsFeature(table: string): Feature {
  const tables = tablesOf(table)
  return {
    name: table,
    version: 1,
    ddl(dialect) {
      const { seq, key, text, long, bytes, end } = COLUMNS[dialect]
      const [projections, journal] = [quoted(dialect, tables.projections), quoted(dialect, tables.journal)]
      const known = dialect === 'mysql' ? ['INSERT IGNORE', ''] : ['INSERT', ' ON CONFLICT DO NOTHING']
      return [
        `CREATE TABLE IF NOT EXISTS ${projections} (name ${key} NOT NULL PRIMARY KEY, version integer, active integer, shapes ${long}, building integer, done bigint, total bigint, built bigint, latest integer NOT NULL, leftover ${long})${end}`,
        `${known[0]} INTO ${projections} (name, latest) VALUES ('${JOURNAL_ROW}', 0)${known[1]}`,
        // One of two events with one tid would be lost: ids are kept as they are, or as their hash.
        `CREATE TABLE IF NOT EXISTS ${journal} (seq ${seq}, tid ${key} NOT NULL, topic ${text} NOT NULL, id ${text} NOT NULL, name ${text} NOT NULL, akey ${long}, headers ${long} NOT NULL, body ${bytes} NOT NULL, at bigint NOT NULL, UNIQUE (tid))${end}`,
        ...leaseFeature(tables.leases).ddl(dialect),
      ]
    },
  }
}
