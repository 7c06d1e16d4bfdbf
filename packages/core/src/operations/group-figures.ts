import { type Note, readNotes } from '../consumer/member-note.ts'
import type { Driver } from '../driver.ts'

/** What the members of a group that read one topic say of themselves, added up. */
export interface GroupFigures {
  /** Those that say anything. */
  readonly told: number
  /** Messages handled in a second, over the last minute, in all topics of the group. */
  readonly perSecond: number
  /** The share of calls that failed in the last minute. */
  readonly failedPercent: number
  readonly busyPercent: number
  readonly versions: readonly string[]
}

const MINUTE_S = 60

/** Undefined where the members cannot be known: by this driver, or by this user. */
export async function notesOf({ members }: Pick<Driver, 'members'>, group: string): Promise<readonly Note[] | undefined> {
  // A user who may not look at them still sees all the rest.
  const notes = await members?.list(group).catch(() => undefined)
  return notes && readNotes(notes)
}

export function figuresOf(notes: readonly Note[], topic: string): GroupFigures {
  const here = notes.filter(({ handles }) => Object.hasOwn(handles, topic))
  const sum = (of: (note: Note) => number) => here.reduce((total, note) => total + of(note), 0)
  const handled = sum(({ minute }) => minute.handled)
  const failed = sum(({ minute }) => minute.failed)
  const slots = sum((note) => note.slots)
  return {
    told: here.length,
    perSecond: handled / MINUTE_S,
    failedPercent: failed === 0 ? 0 : (100 * failed) / (handled + failed),
    busyPercent: slots === 0 ? 0 : (100 * sum(({ busy }) => busy)) / slots,
    versions: [...new Set(here.map(({ service, version }) => (version === undefined ? service : `${service} ${version}`)))].sort(),
  }
}
