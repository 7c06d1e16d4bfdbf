import type { Outbox, OutboxMessage } from '../scope/companion.ts'
import type { Recorded } from '../scope/scope.ts'
import { type PublishMiddleware, throughPublishMiddleware } from './middleware.ts'

/**
 * Writes messages into the outbox in one statement, each through the middleware: `next` resolves when all of them are part of the transaction. A
 * layer that throws keeps all of them from being written; one that does not call `next` leaves its message out.
 */
export async function writeInto(
  outbox: Outbox,
  db: unknown,
  recorded: readonly Recorded[],
  middleware: readonly PublishMiddleware[],
): Promise<void> {
  const messages = recorded.map(({ message, due }): OutboxMessage => (due ? { message, due } : { message }))
  if (middleware.length === 0) return outbox.write(db, messages)
  const written = Promise.withResolvers<void>()
  written.promise.catch(() => undefined) // every layer that waits for it passes it on
  const passed = new Map<OutboxMessage, OutboxMessage>()
  const arrivals: Promise<void>[] = []
  const chains = messages.map((one) => {
    const arrived = Promise.withResolvers<void>()
    const chain = throughPublishMiddleware(middleware, one.message, (message) => {
      passed.set(one, { ...one, message })
      arrived.resolve()
      return written.promise
    })
    // A chain that ends without having called the last step has dropped its message, or refused it.
    chain.then(arrived.resolve, arrived.reject)
    arrivals.push(arrived.promise)
    return chain
  })
  try {
    await Promise.all(arrivals)
    const all = messages.flatMap((one) => passed.get(one) ?? [])
    if (all.length > 0) await outbox.write(db, all)
    written.resolve()
  } catch (thrown) {
    written.reject(thrown)
    await Promise.allSettled(chains)
    throw thrown
  }
  await Promise.all(chains)
}
