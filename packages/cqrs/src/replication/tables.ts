import type { Dialect, Feature } from '@corebus/sql'
import { quoted } from '@corebus/sql/internal'

/** The tables of replication: how far each row of a master has come, how far each row of a replica has, and where commands stood. */
export interface Tables {
  readonly masters: string
  readonly replicas: string
  readonly progress: string
}

export const tablesOf = (table: string): Tables => ({
  masters: `${table}_masters`,
  replicas: `${table}_replicas`,
  progress: `${table}_progress`,
})

/** A longer key is refused: it would fit no index of MySQL. */
export const MOST_KEY_LENGTH = 255

interface Columns {
  readonly name: string
  readonly key: string
  readonly end: string
}

/** Keys are compared byte by byte on every database, so that they are in one order on all of them. */
const COLUMNS: Readonly<Record<Dialect, Columns>> = {
  postgres: { name: 'text COLLATE "C"', key: 'text COLLATE "C"', end: '' },
  mysql: {
    name: 'varchar(120) CHARACTER SET ascii COLLATE ascii_bin',
    key: `varchar(${MOST_KEY_LENGTH}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    end: ' ENGINE = InnoDB',
  },
  sqlite: { name: 'TEXT', key: 'TEXT', end: ' WITHOUT ROWID' },
}

export function replicationFeature(table: string): Feature {
  const tables = tablesOf(table)
  return {
    name: table,
    version: 1,
    ddl(dialect) {
      const { name, key, end } = COLUMNS[dialect]
      const make = (of: string, columns: string): string => `CREATE TABLE IF NOT EXISTS ${quoted(dialect, of)} (${columns})${end}`
      return [
        make(
          tables.masters,
          `master ${name} NOT NULL, k ${key} NOT NULL, rev bigint NOT NULL, gone smallint NOT NULL, at bigint NOT NULL, PRIMARY KEY (master, k)`,
        ),
        make(
          tables.replicas,
          `replica ${name} NOT NULL, k ${key} NOT NULL, rev bigint NOT NULL, gone smallint NOT NULL, at bigint NOT NULL, gaps bigint NOT NULL, applied bigint NOT NULL, PRIMARY KEY (replica, k)`,
        ),
        make(tables.progress, `name ${name} NOT NULL PRIMARY KEY, k ${key} NOT NULL`),
      ]
    },
  }
}
