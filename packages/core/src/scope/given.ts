import type { Attached, Companion, Inbox, Outbox } from './companion.ts'

/** What an instance was given to work with beside its broker. */
export interface Given {
  readonly session?: unknown
  readonly outbox?: Outbox | undefined
  readonly inbox?: Inbox | undefined
  readonly schedules?: Companion | undefined
  /** Adds what a package has at work for the instance that is given as no option: it is checked before the first handler runs, and closed with it. */
  readonly attach?: (name: string, attached: Attached) => void
}

/** A symbol that copies of the SDK share: the command and the service that it loads may have a copy each. */
const GIVEN = Symbol.for('corebus.given')

export function keepGiven(messaging: object, { session, outbox, inbox, schedules, attach }: Given): void {
  Object.defineProperty(messaging, GIVEN, { value: { session, outbox, inbox, schedules, ...(attach && { attach }) } satisfies Given })
}

/** An object that stands for an instance, whichever it is at the moment, was given what that was given. */
export function keepGivenOf(messaging: object, given: () => Given): void {
  Object.defineProperty(messaging, GIVEN, { get: given })
}

/** What commands of other packages work with. */
export function givenTo(messaging: object): Given {
  return (messaging as { readonly [GIVEN]?: Given })[GIVEN] ?? {}
}
