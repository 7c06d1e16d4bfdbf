import { CorebusError } from '@corebus/core'
import type { Dialect, SqlRow, SqlTx } from '@corebus/sql'
import { NOW, quoted } from '@corebus/sql/internal'
import type { Shape } from '../documents/collection.ts'
import type { Place } from '../documents/store.ts'
import type { Tables } from './tables.ts'

export type Shapes = Readonly<Record<string, Shape>>

/** One set of collections of a projection. A rebuild fills the next one, and readers change over to it. */
export interface Generation {
  readonly number: number
  /** The projection's version when the generation was begun. */
  readonly version: number
  /** The collections by their names, as they were made. */
  readonly places: Readonly<Record<string, Place>>
}

/** The state of a projection, as the database knows it. */
export interface Standing {
  readonly name: string
  readonly active: Generation | undefined
  /** A rebuild that runs, or that was killed. */
  readonly building: { readonly number: number; readonly done: number; readonly total: number } | undefined
  /** When it was last rebuilt, in ms since the epoch. */
  readonly built: number | undefined
}

export const placesOf = (shapes: Shapes, number: number): Generation['places'] =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { name: `${name}__${number}`, shape }]))

/**
 * The table of what is known of each projection: which collections readers are shown, and which are being filled. Each method works in a transaction that
 * its caller opens.
 */
export class Generations {
  readonly #table: string
  readonly #dialect: Dialect
  /** The generations by the text of their row: it is read with every query, and is seldom another. */
  readonly #read = new Map<string, Generation>()

  constructor(dialect: Dialect, { projections }: Tables) {
    this.#dialect = dialect
    this.#table = quoted(dialect, projections)
  }

  /** `latest`: as it is now, where a transaction may otherwise see what was there when it began. */
  async active(tx: SqlTx, name: string, { latest = false }: { readonly latest?: boolean } = {}): Promise<Generation | undefined> {
    const locked = latest && this.#dialect === 'mysql' ? ' LOCK IN SHARE MODE' : ''
    const { rows } = await tx.query(
      `SELECT name AS name, active AS active, version AS version, shapes AS shapes FROM ${this.#table} WHERE name = ?${locked}`,
      [name],
      { repeated: true },
    )
    return rows[0] && this.#generationOf(rows[0])
  }

  async all(tx: SqlTx): Promise<readonly Standing[]> {
    const { rows } = await tx.query(
      `SELECT name AS name, active AS active, version AS version, shapes AS shapes, building AS building, done AS done, total AS total, built AS built FROM ${this.#table} WHERE latest > 0 ORDER BY name`,
    )
    return rows.map((row) => ({
      name: String(row.name),
      active: this.#generationOf(row),
      building: row.building === null ? undefined : { number: Number(row.building), done: Number(row.done), total: Number(row.total) },
      built: row.built === null ? undefined : Number(row.built),
    }))
  }

  /** The first one of a projection that was never rebuilt. Nothing changes where there is one. */
  async first(tx: SqlTx, name: string, version: number, shapes: Shapes): Promise<void> {
    await this.#ensure(tx, name)
    await tx.query(`UPDATE ${this.#table} SET active = 1, version = ?, shapes = ?, latest = 1 WHERE name = ? AND latest = 0`, [
      version,
      JSON.stringify(shapes),
      name,
    ])
  }

  /** Collections that the code has and an earlier one had not, in the generation that is shown. Nothing changes where that is another one by now. */
  async add(tx: SqlTx, name: string, { number }: Generation, shapes: Shapes): Promise<void> {
    await tx.query(`UPDATE ${this.#table} SET shapes = ? WHERE name = ? AND active = ?`, [JSON.stringify(shapes), name, number])
  }

  /** Takes the next number, and returns what earlier ones have left. Whoever was building before is not any more. */
  async begin(tx: SqlTx, name: string, total: number): Promise<{ readonly number: number; readonly leftover: readonly string[] }> {
    await this.#ensure(tx, name)
    const { rows } = await tx.query(
      `SELECT latest AS latest, leftover AS leftover FROM ${this.#table} WHERE name = ?${this.#dialect === 'sqlite' ? '' : ' FOR UPDATE'}`,
      [name],
    )
    const number = Math.max(Number(rows[0]?.latest), 1) + 1
    await tx.query(`UPDATE ${this.#table} SET latest = ?, building = ?, done = 0, total = ? WHERE name = ?`, [number, number, total, name])
    return { number, leftover: listOf(rows[0]?.leftover) }
  }

  /** Collections to be dropped once nobody uses them; it is remembered beside those that wait already. */
  async leave(tx: SqlTx, name: string, leftover: readonly string[]): Promise<void> {
    await tx.query(`UPDATE ${this.#table} SET leftover = ? WHERE name = ?`, [JSON.stringify(leftover), name])
  }

  /** @throws CorebusError REBUILD_LOST when it is not building any more */
  async progress(tx: SqlTx, name: string, { number, done, total }: { number: number; done: number; total: number }): Promise<void> {
    const { affected } = await tx.query(`UPDATE ${this.#table} SET done = ?, total = ? WHERE name = ? AND building = ?`, [
      done,
      total,
      name,
      number,
    ])
    if (affected === 0) throw lost(name)
  }

  /** From now on readers are shown this one. @throws CorebusError REBUILD_LOST when it is not building any more */
  async swap(tx: SqlTx, name: string, generation: Generation, leftover: readonly string[]): Promise<void> {
    const shapes = Object.fromEntries(Object.entries(generation.places).map(([collection, { shape }]) => [collection, shape]))
    const { affected } = await tx.query(
      `UPDATE ${this.#table} SET active = ?, version = ?, shapes = ?, building = NULL, built = ${NOW[this.#dialect]}, leftover = ? WHERE name = ? AND building = ?`,
      [generation.number, generation.version, JSON.stringify(shapes), JSON.stringify(leftover), name, generation.number],
    )
    if (affected === 0) throw lost(name)
  }

  /** Nobody is building any more. */
  async abandon(tx: SqlTx, name: string, number: number): Promise<void> {
    await tx.query(`UPDATE ${this.#table} SET building = NULL WHERE name = ? AND building = ?`, [name, number])
  }

  /** Forgets the projection: one of this name that comes again begins like a new one. Returns the collections that it had. */
  async forget(tx: SqlTx, name: string): Promise<readonly string[]> {
    const active = await this.active(tx, name)
    const { rows } = await tx.query(`SELECT leftover AS leftover FROM ${this.#table} WHERE name = ?`, [name])
    await tx.query(`DELETE FROM ${this.#table} WHERE name = ?`, [name])
    return [...Object.values(active?.places ?? {}).map((place) => place.name), ...listOf(rows[0]?.leftover)]
  }

  async #ensure(tx: SqlTx, name: string): Promise<void> {
    const ignore = this.#dialect === 'mysql' ? ['INSERT IGNORE', ''] : ['INSERT', ' ON CONFLICT DO NOTHING']
    await tx.query(`${ignore[0]} INTO ${this.#table} (name, latest) VALUES (?, 0)${ignore[1]}`, [name])
  }

  #generationOf({ name, active, version, shapes }: SqlRow): Generation | undefined {
    if (active === null || active === undefined) return undefined
    const key = `${name} ${active} ${version} ${shapes}`
    const known = this.#read.get(key)
    if (known) return known
    const made = { number: Number(active), version: Number(version), places: placesOf(JSON.parse(String(shapes)), Number(active)) }
    this.#read.set(key, made)
    return made
  }
}

const listOf = (text: unknown): readonly string[] => (text === null || text === undefined ? [] : JSON.parse(String(text)))

function lost(name: string): CorebusError {
  return new CorebusError(
    'REBUILD_LOST',
    `projection ${name} is being rebuilt by another process, or was dropped: what this one has built is of no use`,
  )
}
