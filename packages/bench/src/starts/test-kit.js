// JavaScript, as a compiled service is: the first app of a test file, its first cascade of five delayed retries, and those of the tests after it.
import { performance } from 'node:perf_hooks'

const begun = performance.now()
const { testApp } = await import('@corebus/core/testing')
const { createMessaging } = await import('@corebus/core')
const imported = performance.now()

const messaging = createMessaging({ service: 'bench', env: {} })
messaging.handle({ topic: 'in', group: 'relay' }, async (_, { attempt, send }) => {
  if (attempt <= 5) throw new Error('the database is away')
  await send('out', 1)
})
messaging.handle({ topic: 'out', group: 'sink' }, () => undefined)

async function timed() {
  const made = performance.now()
  const app = await testApp({ messaging })
  const ready = performance.now()
  await app.publish('in', 1)
  await app.settled()
  const settled = performance.now()
  if (app.handled('out').length !== 1 || app.retries('in').length !== 5) throw new Error('the cascade did not come to its end')
  await app.close()
  return { testAppMs: ready - made, cascadeMs: settled - ready }
}

const first = await timed()
const next = []
for (let n = 0; n < 20; n++) next.push(await timed())
console.log(JSON.stringify({ importMs: imported - begun, first, next }))
