import type { DeadLetter } from '../../driver.ts'
import { burialOf } from './copy.ts'
import { givenUpOf } from './given-up.ts'
import type { Names } from './names.ts'
import type { GroupEntry } from './registry.ts'
import { fromAmqp, type Raw } from './wire.ts'

/** A dead letter with the message that it was read from. */
export interface Letter extends DeadLetter {
  readonly raw: Raw
  readonly until: number
  /** When it was stored, for sorting: what does not say it comes last. */
  readonly time: number
}

/** A place, and the groups that may have letters there. */
export interface Shelf {
  readonly place: string
  readonly users: readonly GroupEntry[]
}

const UNKNOWN = Number.MAX_SAFE_INTEGER

/** The letter that a message of a place is. Undefined for one that the broker has given up and that belonged to none of the groups asked about. */
export function letterIn(raw: Raw, { place, users }: Shelf, names: Names): Letter | undefined {
  if (place === names.givenUp) return fromGivenUp(raw, { place, users }, names)
  const { topic = users[0]?.topic ?? '', group = users[0]?.group ?? '', at, until } = burialOf(raw)
  return { raw, message: fromAmqp(raw, topic), group, place, at: at ?? 0, time: at ?? UNKNOWN, until }
}

function fromGivenUp(raw: Raw, { place, users }: Shelf, names: Names): Letter | undefined {
  const found = givenUpOf(raw, users, names)
  if (!found) return undefined
  const { topic, group, at, headers } = found
  const message = fromAmqp(raw, topic)
  const letter = { raw, message: { ...message, headers: { ...message.headers, ...headers } }, group, place }
  return { ...letter, at, time: at, until: Number.POSITIVE_INFINITY }
}
