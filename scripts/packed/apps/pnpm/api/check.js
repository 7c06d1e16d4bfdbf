import { deepStrictEqual, notStrictEqual } from 'node:assert'
import { execFileSync, spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { close, configureMessaging, start } from '@corebus/core'
import { UserCreated } from '@shop/events'
import { copy } from 'mailer'

const path = (url) => realpathSync(fileURLToPath(url))
notStrictEqual(path(copy), path(import.meta.resolve('@corebus/core')), 'one copy: there is nothing to see here')

// The handlers were registered with another copy.
const messaging = configureMessaging({ broker: 'memory', service: 'api' })
await start()
await messaging.publishEvent(UserCreated, { id: 1 })
for (let n = 0; messaging.counters.handled < 1 && n < 500; n++) await new Promise((resolve) => setTimeout(resolve, 10))
deepStrictEqual(messaging.counters.handled, 1)
await close()

// The command of one copy runs handlers of another, and finds a peer that only the app has.
const env = { ...process.env, LOG_LEVEL: 'info', MESSAGING_BROKER: 'sqlite', SQLITE_PATH: `${process.cwd()}/messages.db` }
const consumer = spawn('node_modules/.bin/core', ['consumer', '../mailer/handlers.js'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
let said = ''
const heard = (line) =>
  new Promise((resolve, reject) => {
    consumer.stdout.on('data', (data) => {
      said += data
      if (said.includes(line)) resolve()
    })
    consumer.once('exit', (code) => reject(new Error(`core consumer ended with ${code}: ${said}`)))
  })
try {
  await heard('consumer started')
  const handled = heard('handled 7')
  const event = JSON.stringify({ name: 'user.created', data: { id: 7 }, timestamp: new Date().toISOString(), source: 'check' })
  execFileSync('node_modules/.bin/core', ['publish', 'users', event], { env })
  await handled
} finally {
  consumer.kill()
}
console.log('ok')
