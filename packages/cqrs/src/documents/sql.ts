import { CorebusError } from '@corebus/core'
import type { SqlDatabase, SqlTx, SqlValue } from '@corebus/sql'
import { at, type FieldType, type Shape } from './collection.ts'
import type { Value } from './query.ts'
import { filterOf, orderBy } from './sql-query.ts'
import { EMPTY, SHOWN, type State, shownTo } from './state.ts'
import type { DocumentStore, Documents, Found, Place } from './store.ts'

/** The databases that documents are kept in. MySQL's are not: its indexes want to know how long a text is. */
export type DocumentDialect = 'sqlite' | 'postgres'

const COLUMN: Readonly<Record<DocumentDialect, Readonly<Record<FieldType | 'doc' | 'meta', string>>>> = {
  sqlite: { text: 'TEXT', number: 'REAL', boolean: 'INTEGER', doc: 'TEXT', meta: 'TEXT' },
  postgres: { text: 'text COLLATE "C"', number: 'double precision', boolean: 'smallint', doc: 'jsonb', meta: 'text' },
}

/**
 * A table for each collection: the document as JSON, and a column for each field that documents are found by, so that indexes, filters and sorting are
 * plain SQL and mean the same on both databases.
 * @throws CorebusError PROJECTION for MySQL
 */
export function sqlDocuments(database: SqlDatabase): DocumentStore {
  const dialect = documentDialect(database)
  const statements = new Statements(dialect)
  return {
    where: database.where,
    transactional: true,
    async create(place) {
      await database.transaction(async (tx) => {
        for (const statement of ddl(dialect, place)) await tx.query(statement)
      })
    },
    async drop(name) {
      await database.transaction((tx) => tx.query(`DROP TABLE IF EXISTS ${quote(name)}`))
    },
    async count(name) {
      const { rows } = await database.read((tx) => tx.query(`SELECT count(*) AS n FROM ${quote(name)} WHERE _shown = ${SHOWN.everybody}`))
      return Number(rows[0]?.n)
    },
    documents: (tx) => documentsIn(tx, dialect, statements),
  }
}

function documentDialect({ dialect, where }: SqlDatabase): DocumentDialect {
  if (dialect !== 'mysql') return dialect
  throw new CorebusError(
    'PROJECTION',
    `${where} keeps no documents: MySQL and MariaDB are no document stores here. Say projections(messaging, [...], { documents: mongoDocuments(db) }); the journal stays there`,
  )
}

const quote = (name: string): string => `"${name}"`

function ddl(dialect: DocumentDialect, { name, shape }: Place): readonly string[] {
  const types = COLUMN[dialect]
  const fields = Object.entries(shape.fields).map(([path, type]) => `${quote(path)} ${types[type]}`)
  const columns = [
    `_id ${types.text} PRIMARY KEY NOT NULL`,
    `_doc ${types.doc} NOT NULL`,
    `_meta ${types.meta} NOT NULL`,
    '_shown smallint NOT NULL',
    ...fields,
  ]
  const nulls = dialect === 'postgres' ? ' NULLS FIRST' : ''
  return [
    `CREATE TABLE IF NOT EXISTS ${quote(name)} (${columns.join(', ')})`,
    ...shape.indexes.map((index, n) => {
      const parts = [...index.map((path) => `${quote(path)}${nulls}`), '_id']
      return `CREATE INDEX IF NOT EXISTS ${quote(`${name}_${n}`)} ON ${quote(name)} (${parts.join(', ')})`
    }),
  ]
}

/** The texts of statements, by table: the same ones are run again and again. */
class Statements {
  readonly #dialect: DocumentDialect
  readonly #made = new Map<
    string,
    { readonly shape: Shape; readonly get: string; readonly lock: string; readonly insert: string; readonly update: string }
  >()

  constructor(dialect: DocumentDialect) {
    this.#dialect = dialect
  }

  of({ name, shape }: Place) {
    const known = this.#made.get(name)
    if (known?.shape === shape) return known
    const table = quote(name)
    const doc = this.#dialect === 'postgres' ? 'CAST(? AS jsonb)' : '?'
    const fields = Object.keys(shape.fields).map(quote)
    const get = `SELECT CAST(_doc AS text) AS doc, _meta AS meta FROM ${table} WHERE _id = ?`
    const made = {
      shape,
      get,
      lock: this.#dialect === 'postgres' ? `${get} FOR UPDATE` : get,
      insert: `INSERT INTO ${table} (${['_doc', '_meta', '_shown', ...fields, '_id'].join(', ')}) VALUES (${[doc, '?', '?', ...fields.map(() => '?'), '?'].join(', ')}) ON CONFLICT DO NOTHING`,
      update: `UPDATE ${table} SET ${[`_doc = ${doc}`, '_meta = ?', '_shown = ?', ...fields.map((field) => `${field} = ?`)].join(', ')} WHERE _id = ?`,
    }
    this.#made.set(name, made)
    return made
  }
}

const REPEATED = { repeated: true }

function documentsIn(tx: SqlTx, dialect: DocumentDialect, statements: Statements): Documents {
  const read = async (sql: string, id: string): Promise<State | undefined> => {
    const { rows } = await tx.query(sql, [id], REPEATED)
    return rows[0] && stateOf(rows[0].doc, rows[0].meta)
  }
  return {
    async get(place, id, { lock = false } = {}) {
      const { get, lock: locking, insert } = statements.of(place)
      // Sessions of SQLite that write run one after another.
      if (!lock || dialect === 'sqlite') return read(get, id)
      const found = await read(locking, id)
      if (found) return found
      // A row that is not there cannot be locked.
      await tx.query(insert, row(EMPTY, place.shape, id), REPEATED)
      return read(locking, id)
    },
    async change(place, id, change) {
      const { lock, insert, update } = statements.of(place)
      for (;;) {
        const before = await read(lock, id)
        const after = change(before ?? EMPTY)
        if (!after) return false
        const { affected } = await tx.query(before ? update : insert, row(after, place.shape, id), REPEATED)
        // Somebody else has made it meanwhile: the statement waited for them, and now it can be locked.
        if (affected > 0) return true
      }
    },
    async find(place, plan) {
      const filter = filterOf(plan)
      // No field begins with _, so ORDER BY means no column of the result by its name.
      const { rows } = await tx.query(
        `SELECT _id AS _id, CAST(_doc AS text) AS _text FROM ${quote(place.name)} WHERE _shown >= ${plan.shown}${filter.sql} ORDER BY ${orderBy(plan.order, dialect)} LIMIT ${plan.limit + 1}`,
        filter.params,
        REPEATED,
      )
      return rows.map(({ _id, _text }): Found => ({ id: String(_id), fields: JSON.parse(String(_text)) }))
    },
  }
}

function row(state: State, shape: Shape, id: string): readonly SqlValue[] {
  const { fields, ...meta } = state
  const columns = Object.keys(shape.fields).map((path) => columnOf(at(fields, path) as Value | undefined)) // checked when it was written
  return [JSON.stringify(fields), JSON.stringify(meta), shownTo(state, shape.required), ...columns, id]
}

function columnOf(value: Value | undefined): SqlValue {
  if (typeof value === 'boolean') return value ? 1 : 0
  return value ?? null
}

const stateOf = (doc: unknown, meta: unknown): State => ({ fields: JSON.parse(String(doc)), ...JSON.parse(String(meta)) })
