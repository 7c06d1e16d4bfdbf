import type { LetterTarget } from './foreign.ts'
import type { Message } from './message.ts'

export interface TopicSummary {
  readonly topic: string
  readonly groups: readonly string[]
  /** Messages stored, where the broker can say. */
  readonly kept?: number
  /** The groups whose dead letters are published to something of others, and to what. Nobody here looks for them there. */
  readonly lettersTo?: Readonly<Record<string, LetterTarget>>
}

export interface Depth {
  /** Waiting to be handed out now. */
  readonly ready: number
  readonly dead: number
  readonly inFlight?: number
  readonly delayed?: number
  /** Age of the oldest message not yet settled, in ms. */
  readonly oldestMs?: number
  readonly members?: number
}

/** A message of a group that is out, or waits for its retry. */
export interface Unsettled {
  readonly id: string
  readonly key?: string
  readonly state: 'in flight' | 'delayed'
  /** Times are ms since the epoch, and left out where the broker does not tell. */
  readonly publishedAt?: number
  readonly handedOutAt?: number
  readonly dueAt?: number
  readonly member?: string
}

/** What waits for its retry in a place that several groups or topics share, so that no `Depth` counts it. */
export interface SharedDelay {
  readonly afterMs: number
  readonly waiting: number
  /** The group whose topics share the delay; without it all groups share it. */
  readonly group?: string
}

export interface DeadLetter {
  readonly message: Message
  readonly group: string
  /** The resolved name of the place it lies in. */
  readonly place: string
  /** When it was stored, ms since the epoch. */
  readonly at: number
}

/** What is to be a dead letter of a group without having failed here: its headers say what they say. */
export type Burying = Pick<DeadLetter, 'message' | 'group'>

/** A part of the dead letters, oldest first. */
export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[]
  /** Goes on behind them, given as `after` with the same filter. Opaque to all but the driver that made it. Left out when none are behind them now. */
  readonly next?: string
}

export interface DeadLetterPaging {
  /** Default: all of them. */
  readonly limit?: number
  /** The `next` of an earlier page, of this process or another. */
  readonly after?: string
}

/** How letters are handed back where not all of them at once. */
export interface ReplayPace {
  /** At most so many together. */
  readonly atOnce?: number
  /** Awaited before each part of them goes. */
  readonly turn?: () => Promise<void>
  /** Told how many have just gone. */
  readonly onReplayed?: (count: number) => void
}

/** All given fields must match. */
export interface DeadLetterFilter {
  readonly topic?: string
  readonly group?: string
  readonly place?: string
  readonly ids?: readonly string[]
}

export interface Admin {
  /** All of them, or those of these names that there are. */
  topics(names?: readonly string[]): Promise<readonly TopicSummary[]>
  depth(topic: string, group: string): Promise<Depth>
  /** Where `Depth.delayed` cannot be told for each group and topic: what waits in all places together, those with nothing left out. */
  sharedDelays?(): Promise<readonly SharedDelay[]>
  /** At most `limit` of them, those in flight first. Reading changes and counts nothing. */
  unsettled?(topic: string, group: string, options: { readonly limit: number }): Promise<readonly Unsettled[]>
  /**
   * Oldest first. Reading changes and counts nothing. Pages that follow one another show each letter once, whatever is added or deleted between
   * them, and a call holds about one page. @throws CorebusError CURSOR for an `after` that is none of this driver's
   */
  deadLetters(filter: DeadLetterFilter, paging?: DeadLetterPaging): Promise<DeadLetterPage>
  /**
   * Where a page is found only by reading all that lies before it: all letters that there are now in one reading, some at a time and in no order.
   * The next are read when `work` has resolved, and none after it has resolved with false. Reading changes and counts nothing.
   */
  walkDeadLetters?(filter: DeadLetterFilter, work: (letters: readonly DeadLetter[]) => Promise<boolean>): Promise<void>
  /**
   * Hands the letters that there are now back to the group that had given up on them, and to no other, with `headers` laid over theirs. One that
   * is a dead letter again meanwhile stays. Returns how many.
   */
  replay(filter: DeadLetterFilter, headers: Message['headers'], pace?: ReplayPace): Promise<number>
  /** Deletes the letters that there are now. Returns how many. */
  purge(filter: DeadLetterFilter): Promise<number>
  /** Stores letters in the places that their groups declared, all as given. @throws CorebusError NO_SUCH_GROUP, NO_DEAD_LETTERS: before any is stored */
  bury(letters: readonly Burying[]): Promise<void>
  /**
   * Forgets what a group has of a topic: its position, what waits for it and for its retry. Its dead letters stay, and so does everything of other
   * groups; one of this name that comes again begins like a new one. Returns whether it was there. @throws CorebusError GROUP_HAS_MEMBERS
   */
  removeGroup(topic: string, group: string): Promise<boolean>
}
