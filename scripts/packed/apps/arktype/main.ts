import { match, ok } from 'node:assert'
import { createMessaging, defineEvent } from '@corebus/core'
import { type } from 'arktype'

const UserCreated = defineEvent('user.created', type({ id: 'number', email: 'string.email' }), { topic: 'users' })
const messaging = createMessaging({ broker: 'memory', service: 'shop' })
const handled = Promise.withResolvers<string>()
messaging.on(UserCreated, { group: 'mail' }, ({ data }) => handled.resolve(data.email))
await messaging.start()
await messaging.publishEvent(UserCreated, { id: 7, email: 'ana@example.com' })
ok((await handled.promise) === 'ana@example.com')

/** A refused publish has a code, and names the field. */
async function refused(publish: () => Promise<void>, field: RegExp): Promise<void> {
  const error = await publish().then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  ok(error instanceof Error && 'code' in error && typeof error.code === 'string', `not refused with a code: ${error}`)
  match(error.message, field)
}

await refused(() => messaging.publishEvent(UserCreated, { id: 7, email: 'nobody' }), /email/)
await refused(() => messaging.publishEvent(UserCreated, { id: 'x', email: 'ana@example.com' } as never), /id/)
// What JSON changes: a Date arrives as a string, and no handler would take it.
await refused(async () => {
  const Seen = defineEvent('user.seen', type({ at: 'Date' }), { topic: 'users' })
  await messaging.publishEvent(Seen, { at: new Date() })
}, /at/)
await messaging.close()
console.log('ok')
