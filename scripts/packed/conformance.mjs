// One case of the suite on a driver of one's own, and one that starts processes and kills them.
import { createMessaging } from '@corebus/core'
import { conformanceCases } from '@corebus/core/testing/conformance'
import { driver } from './own-driver.mjs'

const url = process.env.SQLITE_PATH
const connect = () => createMessaging({ driver, url, service: 'stranger', logLevel: 'silent' }).driver()
const { capabilities } = await connect()
const target = { name: 'theirs', capabilities, connect, options: { driver: import.meta.resolve('./own-driver.mjs'), url }, exceptions: [] }
for (const beginning of ['resolves only when a new connection', 'kill -9 in a handler']) {
  const one = conformanceCases.find(({ name }) => name.startsWith(beginning))
  await one.run(target)
  console.log(`held: ${one.name}`)
}
process.exit(0)
