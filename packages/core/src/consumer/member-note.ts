import type { MemberNote } from '../driver.ts'
import { isObject } from '../options/option.ts'
import type { Rates } from './minute.ts'

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

/** Takes every message of a topic that no event handler takes. */
export const REST = '*'

export function writeNote({ member: _, ...note }: Note): string {
  return JSON.stringify(note)
}

/** What is no note, or that of a later version which says other things, is passed over. */
export function readNotes(notes: readonly MemberNote[]): readonly Note[] {
  return notes.flatMap(({ member, note }) => {
    const read = noteIn(parsed(note))
    return read ? [{ ...read, member }] : []
  })
}

function noteIn(value: unknown): Omit<Note, 'member'> | undefined {
  if (!isObject(value)) return undefined
  const { service, version, host, pid, since, state, handles, minute, slots, busy } = value
  if (!isString(service) || !isString(host) || (version !== undefined && !isString(version))) return undefined
  if (!isCount(pid) || typeof since !== 'number' || (state !== 'joining' && state !== 'joined')) return undefined
  if (!isHandles(handles) || !isRates(minute) || !isCount(slots) || !isCount(busy)) return undefined
  const { handled, failed, dead } = minute
  return { service, version, host, pid, since, state, handles, minute: { handled, failed, dead }, slots, busy }
}

const isString = (value: unknown): value is string => typeof value === 'string'
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isHandles = (value: unknown): value is Note['handles'] =>
  isObject(value) && Object.values(value).every((names) => Array.isArray(names) && names.every(isString))
const isRates = (value: unknown): value is Rates =>
  isObject(value) && isCount(value.handled) && isCount(value.failed) && isCount(value.dead)

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
