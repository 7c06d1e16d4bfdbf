import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { makeProject } from './project.ts'

// A script has nothing but what it awaits: were that only a timer, Node would end it with 13 and without a word.

const SCRIPT = `
import { createMessaging } from '@corebus/core'

const messaging = createMessaging({ broker: 'rabbitmq', url: process.env.AT, service: 's', publish: { timeoutMs: 600 } })
messaging.handle({ topic: 't', group: 'g' }, () => {})
try {
  await (process.argv[2] === 'driver' ? messaging.driver() : messaging.start())
} catch (error) {
  console.log('failed with ' + error.code)
}
await messaging.close()
console.log('closed')
`

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

test.each(['start', 'driver'])('%s in a script waits for a broker that is not there, and then says so', async (what) => {
  const { code, stdout } = await makeProject({ 'main.js': SCRIPT })
    .run(['main.js', what], { env: { AT: `amqp://127.0.0.1:${await closedPort()}/` } })
    .result()
  expect(stdout).toMatch(/failed with CONNECT[\s\S]*closed/)
  expect(code).toBe(0)
})
