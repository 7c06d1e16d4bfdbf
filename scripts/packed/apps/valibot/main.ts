import { match, ok } from 'node:assert'
import { createMessaging, defineEvent } from '@corebus/core'
import * as v from 'valibot'

const UserCreated = defineEvent('user.created', v.object({ id: v.number(), email: v.pipe(v.string(), v.email()) }), { topic: 'users' })
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
  const Seen = defineEvent('user.seen', v.object({ at: v.date() }), { topic: 'users' })
  await messaging.publishEvent(Seen, { at: new Date() })
}, /at/)
// What a schema transforms is refused where it is defined, or at the first publish.
await refused(async () => {
  const Iso = v.pipe(
    v.string(),
    v.transform((text) => new Date(text)),
  )
  const Moved = defineEvent('user.moved', v.object({ at: Iso }) as never, { topic: 'users' })
  await messaging.publishEvent(Moved, { at: '2026-01-01T00:00:00.000Z' } as never)
}, /at|transform/)
await messaging.close()
console.log('ok')
