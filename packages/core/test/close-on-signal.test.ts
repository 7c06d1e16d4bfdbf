import { expect, test } from 'vitest'
import { quiet } from './kit.ts'
import { makeProject, type Running } from './project.ts'

const SERVER = `
import { subscribe } from 'node:diagnostics_channel'
import { createServer } from 'node:http'
import { closeOnSignal, configureMessaging } from '@corebus/core'

const messaging = configureMessaging({ broker: 'memory', service: 'api', onClose: () => console.log('never: nothing was started') })
// A tail of the memory broker may be closed before it has passed on the last message.
subscribe('corebus:publish', () => console.log('published'))
await messaging.driver()
const server = createServer((request, response) => {
  console.log('asked')
  const scope = messaging.openRequest()
  process.once('finish request', async () => {
    await scope.run(async () => messaging.emit('x', 1, { topic: 't' }))
    response.end('answered')
    await scope.release()
  })
  setTimeout(() => process.emit('finish request'), process.env.NEVER ? 60_000 : 300)
})
closeOnSignal(server, messaging)
server.listen(0, '127.0.0.1', () => console.log('listening on ' + server.address().port + ';'))
`

async function asked(env: Record<string, string> = {}): Promise<{ server: Running; answer: Promise<string> }> {
  const server = makeProject({ 'main.js': SERVER }).run(['main.js'], { env })
  const [, port] = await server.says(/listening on (\d+);/)
  const answer = fetch(`http://127.0.0.1:${port}/`).then(
    (response) => response.text(),
    () => 'no answer',
  )
  await server.says(/asked/)
  return { server, answer }
}

test('on SIGTERM running requests are answered, what they recorded is published, and the process exits with 0', async () => {
  const { server, answer } = await asked()
  server.signal('SIGTERM')
  const { code, stdout, stderr } = await server.result()
  expect([await answer, code, stderr]).toEqual(['answered', 0, ''])
  expect(stdout).toMatch(/SIGTERM: closing[\s\S]*published/)
})

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('a second signal exits at once: %s, %d', async (signal, exit) => {
  const { server, answer } = await asked({ NEVER: '1' })
  server.signal('SIGTERM')
  await server.says(/SIGTERM: closing/)
  // Two at once are one: npm passes on what the terminal has sent already.
  server.signal('SIGTERM')
  await quiet(300)
  server.signal(signal)
  const { code } = await server.result()
  expect([await answer, code]).toEqual(['no answer', exit])
})
