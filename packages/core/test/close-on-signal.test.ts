import { expect, test } from 'vitest'
import { quiet } from './kit.ts'
import { isAlive, makeProject, type Running } from './project.ts'

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
  setTimeout(() => process.emit('finish request'), process.env.NEVER ? 60_000 : Number(process.env.TAKES ?? 300))
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

/** As npm does it: a shell starts the command, is told to end, and tells nobody. Its pid is printed first. */
const shell = (command: string): readonly string[] => [
  '-e',
  `const sh = require('node:child_process').spawn('sh', ['-c', ${JSON.stringify(command)} + '; true'], { stdio: 'inherit', env: { ...process.env, npm_lifecycle_event: 'start' } })
process.on('SIGUSR2', () => sh.kill('SIGKILL'))
setTimeout(() => {}, 60_000).unref()`,
]

test.each([
  ['node', 'node main.js'],
  ['tsx, which starts a process of its own', 'node node_modules/tsx/dist/cli.mjs main.js'],
])('under %s it closes when the shell of its npm script is gone, and says why once', async (_, command) => {
  const server = makeProject({ 'main.js': `${SERVER}\nconsole.log('pid ' + process.pid + ';')` }).run(shell(command))
  const pid = Number((await server.says(/pid (\d+);/))[1])
  await server.says(/listening on/)
  server.signal('SIGUSR2')
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false)
  await server.end
  expect(server.stdout.match(/: closing/g)).toHaveLength(1)
  expect(server.stdout).toContain('the end of the script that started this process: closing')
})

test('a signal that comes after the shell has gone is the first one, and cuts nothing off', async () => {
  const server = makeProject({ 'main.js': `${SERVER}\nconsole.log('pid ' + process.pid + ';')` }).run(shell('node main.js'), {
    env: { TAKES: '2000' },
  })
  const pid = Number((await server.says(/pid (\d+);/))[1])
  const [, port] = await server.says(/listening on (\d+);/)
  const answer = fetch(`http://127.0.0.1:${port}/`).then((response) => response.text())
  await server.says(/asked/)
  server.signal('SIGUSR2')
  await server.says(/: closing/)
  // Later than what counts as the same signal.
  await quiet(400)
  process.kill(pid, 'SIGTERM')
  expect(await answer).toBe('answered')
})
