import { type Note, readNotes } from '../consumer/member-note.ts'
import type { Driver } from '../driver.ts'

/** What the members of a group say of themselves, added up. */
export interface GroupFigures {
  readonly members: number
  /** Messages handled in a second, over the last minute. */
  readonly perSecond: number
  /** Of the calls of the last minute; undefined when there was none. */
  readonly failedPercent?: number
  readonly busyPercent: number
  readonly versions: readonly string[]
}

const MINUTE_S = 60

/** Undefined where the members cannot be known, or there is none that says anything. */
export async function figuresOf({ members }: Pick<Driver, 'members'>, group: string): Promise<GroupFigures | undefined> {
  // A user who may not look at them still sees all the rest.
  const notes = readNotes((await members?.list(group).catch(() => [])) ?? [])
  if (notes.length === 0) return undefined
  const sum = (of: (note: Note) => number) => notes.reduce((total, note) => total + of(note), 0)
  const handled = sum(({ minute }) => minute.handled)
  const failed = sum(({ minute }) => minute.failed)
  const slots = sum((note) => note.slots)
  return {
    members: notes.length,
    perSecond: handled / MINUTE_S,
    ...(handled + failed > 0 && { failedPercent: (100 * failed) / (handled + failed) }),
    busyPercent: slots === 0 ? 0 : (100 * sum(({ busy }) => busy)) / slots,
    versions: [...new Set(notes.map(({ service, version }) => (version === undefined ? service : `${service} ${version}`)))].sort(),
  }
}
