import { projections } from '@corebus/cqrs'
import { documents } from '../database.ts'
import { messaging } from '../messaging.ts'
import { shop } from './shop.ts'

const store = documents && { documents }
const reading = projections(messaging, [shop], { ...store, readOnly: true })
// Whoever starts first makes the tables, so that answers are empty, and no errors, until the first event has come.
await reading.migrate()

/** What readers see. */
export const views = reading.of(shop)

/** Registers the handlers that keep it up to date. */
export function keepViews(): void {
  projections(messaging, [shop], { ...store })
}
