import { CorebusError, type Event, type HandlerContext } from '@corebus/core'
import type { SqlTx } from '@corebus/sql'
import { txOf } from '@corebus/sql/internal'
import type { RowChange } from './change.ts'
import type { TableColumn } from './columns.ts'
import type { Applied, Replica } from './replica.ts'
import type { ReplicaTable } from './replica-table.ts'
import { deleteRow, writeRow } from './rows.ts'
import { type BoundReplica, orMissing } from './workings.ts'

/**
 * Makes what `messaging.on` calls for a change: in one session the replica takes it, unless it knows a later one, and its row is written or deleted.
 */
export function applying(bound: BoundReplica): (event: Event<string, RowChange>, context: HandlerContext) => Promise<void> {
  const { replica, database } = bound
  return async ({ data: change }, context) => {
    if (change.to !== undefined && change.to !== replica.name) return
    bound.compare(change, context)
    const taken = await context.session(async (db) => {
      try {
        const tx = txOf(db, database.dialect)
        return await applyChange(bound, await bound.table(tx), change, { ...hooksOf(context), db, tx })
      } catch (thrown) {
        throw orMissing(thrown, bound)
      }
    })
    const said = { master: change.master, replica: replica.name, revision: change.revision } // key, id and correlation id are the logger's
    if (!taken) return context.logger.debug(said, `${change.master} ${change.key} is known, revision ${change.revision}`)
    context.logger.info(
      said,
      `${change.master} ${change.key} ${change.kind === 'delete' ? 'deleted' : 'replicated'}, revision ${change.revision}`,
    )
    await afterwards(replica, change, context)
  }
}

type Hooks = Pick<HandlerContext, 'logger' | 'signal' | 'id' | 'headers'>

const hooksOf = ({ logger, signal, id, headers }: HandlerContext): Hooks => ({ logger, signal, id, headers })

/** The context that a change is applied in. */
export interface Applying extends Hooks {
  readonly db: unknown
  readonly tx: SqlTx
}

/** False when the replica knows a later one. */
export async function applyChange(
  { accepted, replica }: Pick<BoundReplica, 'accepted' | 'replica'>,
  table: ReplicaTable | undefined,
  change: RowChange,
  { tx, ...context }: Applying,
): Promise<boolean> {
  if (!(await accepted.take(tx, replica.name, change))) return false
  const next = async (): Promise<Applied | undefined> => table && (await written(tx, replica, table, change))
  if (replica.apply)
    await replica.apply(change, { ...context, db: context.db as never, next }) // as its sessions give it
  else await next()
  return true
}

async function written(tx: SqlTx, replica: Replica, table: ReplicaTable, change: RowChange): Promise<Applied> {
  const { key, row, revision, updated } = change
  if (row === null) return deleteRow(tx, table, key)
  const values = new Map<TableColumn, unknown>()
  const missing = [...table.map.keys()].filter((field) => !Object.hasOwn(row, field))
  if (missing.length > 0)
    throw new CorebusError(
      'REPLICA_FIELD',
      `${change.master} ${key} came without ${missing.join(', ')}, which replica ${replica.name} maps: it has ${Object.keys(row).join(', ')}. Correct the map, or the fields of the master`,
    )
  for (const [field, column] of table.map) values.set(column, row[field])
  if (table.revision) values.set(table.revision, revision)
  if (table.updated) values.set(table.updated, updated)
  try {
    return await writeRow(tx, table, key, values)
  } catch (thrown) {
    if (thrown instanceof CorebusError && thrown.code === 'REPLICA_VALUE')
      throw new CorebusError('REPLICA_VALUE', `${change.master} ${key}, replica ${replica.name}: ${thrown.message}`, { cause: thrown })
    throw thrown
  }
}

async function afterwards({ applied, name }: Replica, change: RowChange, { logger }: HandlerContext): Promise<void> {
  try {
    await applied?.(change)
  } catch (thrown) {
    // The change has committed: an error would only bring it again, and the replica knows it.
    logger.error({ err: thrown, replica: name }, `applied of replica ${name} failed for ${change.master} ${change.key}`)
  }
}
