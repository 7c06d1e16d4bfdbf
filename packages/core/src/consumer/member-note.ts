import { z } from 'zod'
import type { MemberNote } from '../driver.ts'
import type { Rates } from './minute.ts'

const count: z.ZodType<number> = z.number().int().nonnegative()

/** What a member of a group says of itself. */
export interface Note {
  readonly member: string
  readonly service: string
  readonly version?: string | undefined
  readonly host: string
  readonly pid: number
  /** When it began, ms since the epoch by its own clock. */
  readonly since: number
  /** Before it reads, it may still be refused. */
  readonly state: 'joining' | 'joined'
  /** The names of the events that the member handles, by topic; `*` stands for whatever no other handler takes. */
  readonly handles: Readonly<Record<string, readonly string[]>>
  readonly minute: Rates
  /** Handlers at once, and how many of them run. */
  readonly slots: number
  readonly busy: number
}

const NOTE: z.ZodType<Omit<Note, 'member'>> = z.object({
  service: z.string(),
  version: z.string().optional(),
  host: z.string(),
  pid: count,
  since: z.number(),
  state: z.enum(['joining', 'joined']),
  handles: z.record(z.string(), z.array(z.string())),
  minute: z.object({ handled: count, failed: count, dead: count }),
  slots: count,
  busy: count,
})

/** Takes every message of a topic that no event handler takes. */
export const REST = '*'

export function writeNote({ member: _, ...note }: Note): string {
  return JSON.stringify(note)
}

/** What is no note, or that of a later version which says other things, is passed over. */
export function readNotes(notes: readonly MemberNote[]): readonly Note[] {
  return notes.flatMap(({ member, note }) => {
    const read = NOTE.safeParse(parsed(note))
    return read.success ? [{ ...read.data, member }] : []
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function takes({ handles }: Note, topic: string, event: string | undefined): boolean {
  const names = Object.hasOwn(handles, topic) ? (handles[topic] ?? []) : []
  return names.includes(REST) || (event !== undefined && names.includes(event))
}

export const nameOf = ({ service, version, host, pid }: Note): string =>
  `${service}${version === undefined ? '' : ` ${version}`} (${host}, pid ${pid})`
