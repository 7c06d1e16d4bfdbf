import { messaging } from '../messaging.ts'
import { insertCustomer } from './repository/customers.ts'

export interface RememberUser {
  readonly userId: number
}

export async function rememberUser({ userId }: RememberUser): Promise<void> {
  await messaging.session((db) => insertCustomer(db, userId))
}
