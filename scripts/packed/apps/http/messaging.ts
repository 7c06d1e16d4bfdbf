// #region request
import { configureMessaging, defineEvent } from '@corebus/core'
import { z } from 'zod'

export const messaging = configureMessaging({ service: 'users-api' })
export const UserCreated = defineEvent('user.created', z.object({ id: z.number() }), { topic: 'users', key: 'id' })

/** What `work` emits leaves when its answer has been sent, and not when it fails. With a session configured it is committed before the answer. */
export async function inRequest<T>(work: () => Promise<T>, answer: (body: T) => void): Promise<void> {
  const scope = messaging.openRequest()
  try {
    answer(await scope.run(work))
    void scope.release() // it never rejects, and nobody waits for the broker
  } catch (error) {
    scope.discard()
    throw error
  }
}
// #endregion request
