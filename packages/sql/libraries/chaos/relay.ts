// A relay of the chaos run: no handlers and no sessions of its own.
import { subscribe } from 'node:diagnostics_channel'
import { CHANNEL, type PublishRecord } from '@corebus/core'
import { sqlOutbox } from '@corebus/sql'
import { instance } from './instance.ts'
import { LIBRARIES } from './library.ts'
import { giveUp, obey, orders, reach, say } from './protocol.ts'

const told = orders()
const library = LIBRARIES[told.database](told.databaseUrl)

subscribe(CHANNEL.publish, (record) => {
  // What the channel carries is ours; its type in Node is unknown.
  const { id, error } = record as PublishRecord
  if (error) return
  say({ kind: 'published', id })
  reach('published')
})

const messaging = instance(told, 'producer', { session: library.sessions, outbox: sqlOutbox() })
obey(async () => {
  await messaging.close()
  await library.close()
})

try {
  // An instance without handlers begins to work with its first session.
  await messaging.session(async () => undefined)
  say({ kind: 'ready' })
} catch (error) {
  giveUp(error)
}
