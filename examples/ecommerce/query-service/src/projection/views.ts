import { projections } from '@corebus/cqrs'
import { documents } from '../database.ts'
import { messaging } from '../messaging.ts'
import { shop } from './shop.ts'

const store = documents && { documents }

/** What readers see. */
export const views = projections(messaging, [shop], { ...store, readOnly: true }).of(shop)

/** Registers the handlers that keep it up to date, and makes its tables. */
export async function keepViews(): Promise<void> {
  await projections(messaging, [shop], { ...store }).migrate()
}
