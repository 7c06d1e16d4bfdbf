import type { Driver, Message } from '../../driver.ts'
import type { Outbox, OutboxMessage } from '../../scope/companion.ts'
import type { Outlet, Recorded } from '../../scope/scope.ts'
import { openedAs } from './handed-out.ts'
import type { Replaced } from './outside.ts'
import { currentRun } from './run.ts'
import type { Told } from './told.ts'

/** The holder of the record of the history that is under way, whichever that is. */
export interface Telling {
  readonly told: Told
}

/**
 * Keeps what is published out of the broker, so that nobody handles it, and out of the outbox, so that no relay takes it. To publish is a call to the
 * outside, after which a run may die.
 */
export function watchPublishing(
  { driver, outlet, outbox }: { readonly driver: Driver; readonly outlet: Outlet; readonly outbox: Outbox | undefined },
  telling: Telling,
  replaced: Replaced,
): void {
  replaced.method(driver, 'publish', () => async (messages) => {
    for (const message of messages as readonly Message[]) telling.told.publish({ message })
  })
  replaced.method(outlet, 'publish', (publish) => (recorded) => {
    const run = currentRun()
    const perform = (): unknown => publish(recorded)
    return run ? run.call(`publish ${namesOf(recorded as readonly Recorded[])}`, perform) : perform()
  })
  replaced.method(outlet, 'publishInBackground', (publish) => (recorded) => (currentRun()?.dead ? Promise.resolve() : publish(recorded)))
  if (!outbox) return
  replaced.method(outbox, 'write', () => async (db, messages) => telling.told.write(openedAs(db), messages as readonly OutboxMessage[]))
  if (outbox.cancel) replaced.method(outbox, 'cancel', () => async (_, id) => telling.told.cancel(id as string))
}

const namesOf = (recorded: readonly Recorded[]): string =>
  [...new Set(recorded.map(({ message: { topic, event = topic } }) => event))].join(', ')
