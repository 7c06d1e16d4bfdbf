import { registry } from './registry.ts'

/** Something that was registered for a companion of the default instance, such as a schedule. */
export interface Wanted {
  /** For messages to people: `schedule nightly at /app/src/jobs.ts:3`. */
  readonly where: string
  /** What to do when the instance has no such companion: `Give configureMessaging({ schedules: sqlSchedules() })`. */
  readonly hint: string
  /** What the companion makes of it. The core does not look at it. */
  readonly what: unknown
}

/**
 * Keeps it for the companion that is given as `option` (`'schedules'`). A start of the default instance without that option is an error, COMPANION.
 * Shared by every copy of the SDK in the process.
 */
export function want(option: string, one: Wanted): void {
  wanted(option).push(one)
}

export function wanted(): ReadonlyMap<string, readonly Wanted[]>
export function wanted(option: string): Wanted[]
export function wanted(option?: string): ReadonlyMap<string, readonly Wanted[]> | Wanted[] {
  registry.wanted ??= new Map()
  const all = registry.wanted as Map<string, Wanted[]>
  if (option === undefined) return all
  const found = all.get(option) ?? []
  all.set(option, found)
  return found
}
