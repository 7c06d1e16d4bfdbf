import { CorebusError, type EventType } from '@corebus/core'
import { changedByJson } from '@corebus/core/internal'
import type { Row } from './rows.ts'

/** The version of what travels. A replica refuses another one, and its dead letters wait for a release that reads it. */
const VERSION = 1

/**
 * A row of a master as it is from a revision on, whole: later ones need no earlier ones. `save` and `delete` are changes; `sync` is the state of a row that
 * was asked for, at the revision that it has.
 */
export interface RowChange {
  readonly v: number
  readonly kind: 'save' | 'delete' | 'sync'
  readonly master: string
  readonly key: string
  readonly revision: number
  /** When the row was changed, ISO 8601 in UTC. */
  readonly updated: string
  /** The fields; null for a delete. */
  readonly row: Row | null
  /** Tracked fields that the change has altered, with the values before it. */
  readonly previous?: Row
  readonly meta?: unknown
  /** The one replica that it is for. */
  readonly to?: string
}

export const newChange = (change: Omit<RowChange, 'v'>): RowChange => ({ v: VERSION, ...change })

/** The event that changes of a master travel as: its name is the master's id. */
export function changeType(master: string, topic: string): EventType<string, RowChange> {
  return {
    name: master,
    topic,
    key: 'key',
    encode(data) {
      const change = data as RowChange // only our own are published
      const offence = changedByJson(change.row, 'refused') ?? changedByJson(change.meta, 'refused')
      if (offence === undefined) return change
      throw new CorebusError('MASTER_FIELD', `${master} ${change.key}: the row or its meta would be changed by JSON: ${offence}`)
    },
    decode: (wire) => read(wire, master),
  }
}

const isObject = (value: unknown): value is Row => typeof value === 'object' && value !== null && !Array.isArray(value)

/** @throws CorebusError PAYLOAD_INVALID */
function read(wire: unknown, master: string): RowChange {
  const wrong = (why: string) => new CorebusError('PAYLOAD_INVALID', `a change of ${master} ${why}`)
  if (!isObject(wire)) throw wrong('is no object')
  const { v, kind, key, revision, updated, row } = wire
  if (v !== VERSION)
    throw wrong(
      `is of version ${JSON.stringify(v)}, and this release reads ${VERSION}: bring the replica to a release that reads it, and replay its dead letters`,
    )
  if (wire.master !== master) throw wrong(`is of the master ${JSON.stringify(wire.master)}`)
  if (kind !== 'save' && kind !== 'delete' && kind !== 'sync') throw wrong(`has the kind ${JSON.stringify(kind)}`)
  if (typeof key !== 'string' || key === '') throw wrong('has no key')
  if (!Number.isSafeInteger(revision) || (revision as number) < 0) throw wrong(`of ${key} has the revision ${JSON.stringify(revision)}`)
  if (typeof updated !== 'string' || Number.isNaN(Date.parse(updated))) throw wrong(`of ${key} does not say when it was made`)
  if (kind === 'delete' ? row !== null : !isObject(row))
    throw wrong(`of ${key} has ${kind === 'delete' ? 'a row, and is a delete' : 'no row'}`)
  return wire as unknown as RowChange // each of its fields was looked at
}
