/** The part of a table that a ModelViewSet needs: `sqlRepository` of @corebus/sql has it for every library known there, and any object of your own may. */
export interface Repository<Row extends object, New = Partial<Row>, Db = unknown> {
  /** The column whose value is the `:id` of a path. It is unique and never null. */
  readonly key: string
  /** The columns that may be filtered and sorted by. */
  readonly columns: Readonly<Record<string, Column>>
  /** Rows that fit, in the order that is asked for, at most as many. */
  list(db: Db, query: RowQuery): Promise<readonly Row[]>
  /** Undefined where there is none, also for an id that no row can have. `id` is a part of the path as it came, decoded. */
  find(db: Db, id: string): Promise<Row | undefined>
  /** The row as it is then, with what the database has added. */
  insert(db: Db, data: New): Promise<Row>
  /** The row as it is then; undefined where there is none. Without any change nothing is written. */
  update(db: Db, id: string, changes: Partial<New>): Promise<Row | undefined>
  /** The row as it was; undefined where there is none. */
  remove(db: Db, id: string): Promise<Row | undefined>
  /** Why the database has refused what it was given; undefined for any other error. */
  refusal?(error: unknown): Refusal | undefined
}

/** A value that must be unique is `taken`; a row that is referred to is not there, or is needed by others: `reference`; a `value` does not fit its column. */
export type Refusal = 'taken' | 'reference' | 'value'

export interface Column {
  /** The value that a text of a query stands for; undefined where it stands for none. Of a value in a row, `parse(String(value))` is the value again. */
  parse(text: string): unknown
}

/** A page of a table. Its columns are among those of the repository, and its values are what their `parse` has given. */
export interface RowQuery {
  /** All of them hold: the column has one of the values. */
  readonly where: readonly { readonly column: string; readonly anyOf: readonly unknown[] }[]
  /** The last one is the key, so that no two rows are equal. */
  readonly order: readonly { readonly column: string; readonly descending: boolean }[]
  /** The values of the last row of the page before, in the columns of `order`: the page begins behind it. */
  readonly after?: readonly unknown[]
  readonly limit: number
}
