import { isOpenSession } from '@corebus/core/internal'
import type { SqlTx } from '@corebus/sql'
import { newChange, type RowChange } from './change.ts'
import { inLockOrder, type Key, keyText } from './keys.ts'
import type { Master } from './master.ts'
import { changeId } from './published-lines.ts'
import { readRows } from './rows.ts'
import { previousOf, type State, statesOf } from './state.ts'
import type { BoundMaster } from './workings.ts'

/** A transaction as the user's library gives it, and as ours. */
export interface Both {
  readonly db: unknown
  readonly tx: SqlTx
}

export interface TrackOptions {
  /** Goes with each change, instead of what `meta` of the master gives. */
  readonly meta?: unknown
  /** Travels with each change. Default: that of the request or message around it. */
  readonly correlationId?: string
}

export type Keys = Key | readonly Key[]

/**
 * Runs `work`, and records what it left of the rows with these keys, in one transaction. Their revisions are raised first, which locks the keys: whoever
 * changes them next waits until this transaction ends, and reads what it left.
 */
export async function trackChanges<T>(
  bound: BoundMaster,
  both: Both,
  keys: Keys | ((result: T) => Keys),
  work: () => T | Promise<T>,
  options: TrackOptions = {},
): Promise<T> {
  const { master } = bound
  if (typeof keys === 'function') {
    // Keys that the database gives are known behind the insert. Nobody else has them before the commit, so the lock may come late.
    const made = await work()
    await recordChanges(bound, both, textsOf(keys(made), master), new Map(), options)
    return made
  }
  const texts = textsOf(keys, master)
  const raised = await bound.revisions.bump(both.tx, master.id, texts)
  const before = master.tracked.length > 0 ? await readRows(both.tx, await bound.table(both.tx), texts, { latest: true }) : new Map()
  const result = await work()
  await recordChanges(bound, both, texts, before, options, raised)
  return result
}

function textsOf(keys: Keys, { id }: Master): readonly string[] {
  const all = Array.isArray(keys) ? (keys as readonly Key[]) : [keys as Key]
  return inLockOrder(all.map((key) => keyText(key, `track of ${id}`)))
}

type Raised = Awaited<ReturnType<BoundMaster['revisions']['bump']>>
type Rows = Awaited<ReturnType<typeof readRows>>

async function recordChanges(
  bound: BoundMaster,
  both: Both,
  keys: readonly string[],
  before: Rows,
  options: TrackOptions,
  known?: Raised,
): Promise<void> {
  const { master, revisions } = bound
  const { tx } = both
  const raised = known ?? (await revisions.bump(tx, master.id, keys))
  const states = await statesOf(tx, master, await bound.table(tx), keys, { latest: true })
  const [came, went]: [string[], string[]] = [[], []]
  for (const key of keys) {
    const now = raised.get(key)
    if (!now) throw new Error(`the revision of ${master.id} ${key} was raised and did not come back`)
    const state = states.get(key)
    if (state && now.gone) came.push(key)
    if (!state && !now.gone) went.push(key)
    // Replicas do not have it, and are not to have it: nobody needs to know.
    if (!state && now.gone) continue
    await publishChange(bound, both, changeOf(master, now, state, before.get(key), options), options)
  }
  await revisions.mark(tx, master.id, came, false)
  await revisions.mark(tx, master.id, went, true)
}

type Now = NonNullable<ReturnType<Raised['get']>>

function changeOf(
  master: Master,
  now: Now,
  state: State | undefined,
  before: State['fields'] | undefined,
  { meta: given }: TrackOptions,
): RowChange {
  const { key, revision, at } = now
  const previous = previousOf(master, before, state?.fields)
  const meta = given ?? master.meta?.({ key, revision })
  return newChange({
    kind: state ? 'save' : 'delete',
    master: master.id,
    key,
    revision,
    updated: new Date(at).toISOString(),
    row: state?.row ?? null,
    ...(previous && { previous }),
    ...(meta !== undefined && { meta }),
  })
}

/** Writes the change into the outbox, in the transaction. */
export async function publishChange(
  { messaging, type }: BoundMaster,
  { db }: Both,
  change: RowChange,
  { correlationId }: TrackOptions = {},
): Promise<void> {
  const said = { id: changeId(change.revision), ...(correlationId !== undefined && { correlationId }) }
  // A session writes all that it recorded in one statement, at its commit; a transaction of the user's own has no such end.
  if (isOpenSession(messaging, db)) messaging.emit(type, change, said)
  else await messaging.publishEvent(type, change, { ...said, tx: db })
}
