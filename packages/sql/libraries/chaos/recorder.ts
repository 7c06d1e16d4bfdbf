// The recorder of the chaos run, in a group of its own, which reads when all is over: it says in which order the broker was given what was published.
import { instance, moved } from './instance.ts'
import { giveUp, obey, orders, say } from './protocol.ts'

const told = orders()
const messaging = instance(told, 'recorder')
messaging.on(moved(told), { group: 'recorder', ordering: 'key', concurrency: 50 }, ({ data }, { id }) =>
  say({ kind: 'seen', id, move: data }),
)
obey(() => messaging.close())

try {
  await messaging.start()
  say({ kind: 'ready' })
} catch (error) {
  giveUp(error)
}
