import type { Capabilities, Clock, Driver } from '../../driver.ts'
import type { Deck } from './chaos/faults.ts'
import type { Doubts } from './chaos/history.ts'
import type { Mutation } from './chaos/mutation.ts'
import type { Place } from './children/protocol.ts'
import type { Others } from './others.ts'
import { openRoom, type Room } from './room.ts'

/** What goes wrong around a broker. A target offers those it can cause; the cases that need another are skipped and say so. */
export interface Faults {
  /** Ends the broker as an operator would (SIGTERM) and starts it again on its data. Resolves when it answers. */
  readonly restart?: () => Promise<void>
  /** The same with kill -9. */
  readonly kill?: () => Promise<void>
  /** Cuts every connection that exists, without a word to either side. */
  readonly cut?: () => Promise<void>
  /** The broker accepts no connection and answers nothing for so long. Resolves when it is back. */
  readonly refuse?: (forMs: number) => Promise<void>
  /** Connections stay open and nothing passes for so long. */
  readonly freeze?: (forMs: number) => Promise<void>
}

/** What a case may want otherwise than a target would have it. */
export interface ConnectOptions {
  readonly clock?: Clock
  readonly publishTimeoutMs?: number
}

/** One driver and one running broker, as its test file describes them to the suite. */
export interface ConformanceTarget {
  readonly name: string
  readonly capabilities: Capabilities
  /** A new connection to the broker, already connected. */
  readonly connect: (options?: ConnectOptions) => Promise<Driver>
  /** What `createMessaging` takes to reach the same broker, in this process and in child processes. */
  readonly options: Place
  /** Added to the environment of child processes. */
  readonly env?: Readonly<Record<string, string>>
  /** Cases this driver does not hold, by name, and why. They are printed with every run and stand in the docs' table. */
  readonly exceptions: readonly { readonly name: string; readonly reason: string }[]
  readonly faults?: Faults
  /** Who else may use the broker. Without it nobody does, and the cases about what is theirs are skipped. */
  readonly others?: Others
  /**
   * For the chaos run: what this broker leaves in doubt, where it is reached and how its client is to be if otherwise than in the other cases,
   * and what is to go wrong beside the usual.
   */
  readonly chaos?: Partial<Doubts> & Partial<Pick<Place, 'url' | 'client'>> & { readonly more?: Deck }
  /** Safeguards of this driver, each taken out in a run that must then go wrong. */
  readonly mutations?: readonly Mutation[]
}

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
    timeoutMs: TIMEOUT_MS,
    ...options,
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
