import type { Capabilities } from '../../driver.ts'
import { PATIENCE } from './patience.ts'
import { openRoom, type Room } from './room.ts'
import type { ConformanceTarget } from './target.ts'
export interface ConformanceCase {
  readonly section: string
  /** A sentence about behaviour. */
  readonly name: string
  /** Why the case has no meaning for such a broker; undefined when it has. */
  readonly needs?: (capabilities: Capabilities, target: ConformanceTarget) => string | undefined
  /** Long: run only when COREBUS_SOAK=1. */
  readonly soak?: true
  /** Disturbs others (it stops the whole broker, it takes all of the machine), or measures what they would disturb. Not run beside them. */
  readonly alone?: true
  readonly timeoutMs: number
  readonly run: (target: ConformanceTarget) => Promise<void>
}

export type CaseOptions = Partial<Pick<ConformanceCase, 'needs' | 'soak' | 'alone' | 'timeoutMs'>>

const TIMEOUT_MS = 60_000

/** `const publishing = casesOf('Publish')`, then `publishing('a sentence', async (room) => ...)`. The room is left tidy however the case ends. */
export function casesOf(section: string): (name: string, run: (room: Room) => Promise<void>, options?: CaseOptions) => ConformanceCase {
  return (name, run, options = {}) => ({
    section,
    name,
    ...options,
    timeoutMs: (options.timeoutMs ?? TIMEOUT_MS) * PATIENCE,
    async run(target) {
      const room = openRoom(target)
      try {
        await run(room)
      } finally {
        await room.leave()
      }
    },
  })
}

/** For cases that outlive a process. */
export function durable({ durable }: Capabilities): string | undefined {
  return durable ? undefined : 'what this broker holds ends with its process'
}

/** For cases about one key at several members. */
export function ordered({ orderedAcrossProcesses }: Capabilities): string | undefined {
  return orderedAcrossProcesses ? undefined : 'this broker keeps the order of a key within one member only'
}
