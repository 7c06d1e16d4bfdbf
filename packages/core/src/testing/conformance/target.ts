import type { Capabilities, Clock, Driver, LetterTarget } from '../../driver.ts'
import type { Deck, Doubts } from './chaos/history.ts'
import type { Mutation } from './chaos/mutation.ts'
import type { Odd } from './hostile/odd.ts'
import type { HostileMutation } from './hostile/safeguards.ts'
import type { Place } from './protocol.ts'

/** A place of theirs that dead letters of ours can go to. */
export interface TheirPlace {
  readonly to: LetterTarget
  /** Everything in it, oldest first. `key` is what the broker itself has for one. */
  readonly read: () => Promise<readonly TheirLetter[]>
  /** Takes it away while we run, and makes it again. */
  readonly remove: () => Promise<unknown>
  readonly make: () => Promise<unknown>
}

export interface TheirLetter {
  readonly body: string
  readonly key?: string
  readonly headers: Readonly<Record<string, string>>
}

/** A client of the broker that has never heard of us, as the target's test file writes it. */
export interface Others {
  /** Makes a topic in the broker's own way, with a group or queue of theirs, and writes `count` messages. */
  readonly makeTopic: (topic: string, count: number) => Promise<void>
  /** What the broker says of that topic, of their group and of those messages. */
  readonly look: (topic: string) => Promise<unknown>
  /** Writes messages into a topic of ours in the broker's own way, with all of their headers that its protocol can write. */
  readonly write: (topic: string, messages: readonly Odd[]) => Promise<void>
  /** Makes a place that dead letters can go to, as `capabilities.letterTargets` has it. */
  readonly place?: (name: string) => Promise<TheirPlace>
  /** Becomes a member of a group in the broker's own way. Resolves when it is one, and holds a message where a message is held by its reader. */
  readonly join: (
    topic: string,
    group: string,
  ) => Promise<{ readonly look: () => Promise<unknown>; readonly leave: () => Promise<unknown> }>
}

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
  /** The same for the fuzz of hostile messages. */
  readonly hostile?: readonly HostileMutation[]
}
