import type { SqlTx } from '@corebus/sql'

export type DatabaseName = 'sqlite' | 'postgres' | 'mariadb'

/** `accounts` and `movements` are the producers', `views` and `effects` the consumers'. Nothing in them keeps an effect from being written twice. */
export const TABLES: readonly string[] = [
  'CREATE TABLE accounts (k varchar(20) NOT NULL PRIMARY KEY, n integer NOT NULL)',
  'CREATE TABLE movements (token varchar(40) NOT NULL PRIMARY KEY, k varchar(20) NOT NULL, n integer NOT NULL, UNIQUE (k, n))',
  'CREATE TABLE views (k varchar(20) NOT NULL PRIMARY KEY, n integer NOT NULL)',
  'CREATE TABLE effects (k varchar(20) NOT NULL, seq integer NOT NULL, n integer NOT NULL, token varchar(40) NOT NULL, who varchar(40) NOT NULL, PRIMARY KEY (k, seq))',
]

export const keysOf = (keys: number): readonly string[] => Array.from({ length: keys }, (_, i) => `k${i}`)

/** Whoever has added holds the key's lock until its transaction is over, so the numbers of a key are in the order of the commits. */
export async function add(tx: SqlTx, table: 'accounts' | 'views', key: string, by: number): Promise<number> {
  await tx.query(`UPDATE ${table} SET n = n + ? WHERE k = ?`, [by, key])
  const { rows } = await tx.query(`SELECT n FROM ${table} WHERE k = ?`, [key])
  return Number(rows[0]?.n)
}
