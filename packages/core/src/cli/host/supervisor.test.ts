import { describe, expect, test } from 'vitest'
import { childrenOf, isAlive, makeProject, type Running } from '../../../test/project.ts'

const HANDLER = `
import { handle } from '@corebus/core'
handle({ topic: 'orders.created', group: 'inventory' }, async ({ n }) => {
  console.log('begun')
  await new Promise((done) => setTimeout(done, 100))
  console.log('got', n, 'in', process.pid)
})
`

const STARTED = /consumer started/g

/** Waits until so many lines of it match. */
async function saysTimes(running: Running, pattern: RegExp, times: number): Promise<void> {
  await running.says(new RegExp(`(${pattern.source}[\\s\\S]*){${times}}`))
}

const pidsOf = (running: Running): readonly unknown[] =>
  running.lines.filter(({ msg }) => String(msg).startsWith('consumer started')).map(({ pid }) => pid)

describe('--workers', () => {
  test('share the work; one that is killed is started again with one line; SIGTERM drains all of them', async () => {
    const project = makeProject({ 'handlers.js': HANDLER })
    const supervisor = project.start(['consumer', 'handlers.js', '--workers', '2', '--concurrency', '1', '--health-port', '0'])
    const [, at] = await supervisor.says(/health at (http:\/\/[^/]+)\/livez/)
    await saysTimes(supervisor, STARTED, 2)
    const [first, second] = pidsOf(supervisor) as [number, number]
    expect(first).not.toBe(second)

    const script = `import { close, getProducer } from '@corebus/core'
await getProducer().sendAll('orders.created', Array.from({ length: 10 }, (_, n) => ({ message: { n }, key: n })))
await close()`
    await project.node(['--input-type=module', '-e', script])
    await saysTimes(supervisor, /got \d/, 10)
    expect(new Set([...supervisor.stdout.matchAll(/got \d+ in (\d+)/g)].map(([, pid]) => Number(pid)))).toEqual(new Set([first, second]))

    process.kill(first, 'SIGKILL')
    await supervisor.says(new RegExp(`worker \\d \\(pid ${first}\\) ended: killed by SIGKILL; again in 100 ms`))
    const restarting = await fetch(`${at}/readyz`)
    expect(restarting.status).toBe(503)
    await saysTimes(supervisor, STARTED, 3)
    await expect.poll(async () => (await fetch(`${at}/readyz`)).status, { timeout: 10_000 }).toBe(200)
    const live = await fetch(`${at}/livez`)
    const body = (await live.json()) as { workers: readonly { pid: number }[] }
    expect(live.status).toBe(200)
    expect(body.workers.map(({ pid }) => pid).sort()).toEqual([second, pidsOf(supervisor)[2] as number].sort())

    expect(await supervisor.stop()).toMatchObject({ code: 0, stderr: '' })
    expect(pidsOf(supervisor).filter((pid) => isAlive(pid as number))).toEqual([])
  })

  test('drain when the terminal sends Ctrl-C to all of them', async () => {
    const project = makeProject({ 'handlers.js': HANDLER.replace(', 100)', ', 800)') })
    const supervisor = project.start(['consumer', 'handlers.js', '--workers', '1'])
    await supervisor.says(STARTED)
    await project.core(['publish', 'orders.created', '{"n":1}'])
    await supervisor.says(/begun/)
    for (const pid of [supervisor.pid, ...childrenOf(supervisor.pid)]) process.kill(pid, 'SIGINT')
    const { code, stdout } = await supervisor.result()
    expect(stdout).toMatch(/got 1 in/)
    expect(code).toBe(0)
  })

  test('are killed at a second signal', async () => {
    const project = makeProject({ 'handlers.js': HANDLER.replace(', 100)', ', 30_000)') })
    const supervisor = project.start(['consumer', 'handlers.js', '--workers', '1'])
    await supervisor.says(STARTED)
    await project.core(['publish', 'orders.created', '{"n":1}'])
    await supervisor.says(/begun/)
    supervisor.signal('SIGTERM')
    await supervisor.says(/stopping: 1 handler/)
    await new Promise((done) => setTimeout(done, 300)) // sooner it would be the same signal
    const [pid] = pidsOf(supervisor) as [number]
    expect((await supervisor.stop()).code).toBe(143)
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false)
  })

  test('end by themselves when the supervisor is killed', async () => {
    const supervisor = makeProject({ 'handlers.js': HANDLER }).start(['consumer', 'handlers.js', '--workers', '2'])
    await saysTimes(supervisor, STARTED, 2)
    const pids = pidsOf(supervisor) as readonly number[]
    expect(pids.map(isAlive)).toEqual([true, true])
    supervisor.signal('SIGKILL')
    await expect.poll(() => pids.map(isAlive), { timeout: 10_000 }).toEqual([false, false])
  })

  test('that die again and again come back with a growing back-off', async () => {
    const source = `${HANDLER}\nsetTimeout(() => process.exit(3), 10)\n`
    const supervisor = makeProject({ 'handlers.js': source }).start(['consumer', 'handlers.js', '--workers', '1'])
    await supervisor.says(/exit code 3; again in 400 ms/)
    expect([...supervisor.stdout.matchAll(/again in (\d+) ms/g)].map(([, ms]) => Number(ms))).toEqual([100, 200, 400])
    expect((await supervisor.stop()).code).toBe(0)
  })

  test('with a mistake at the first start end with one message, not in a loop', async () => {
    const { code, stdout, stderr } = await makeProject({ 'handlers.js': HANDLER }).core([
      'consumer',
      'handlers.js',
      '--workers',
      '3',
      '--topic',
      'nope',
    ])
    expect(stderr).toBe('error: no handler for topic nope. There are: orders.created (group inventory)\n')
    expect(stdout).not.toContain('again in')
    expect(code).toBe(2)
  })
})

describe('--watch', () => {
  test('drains and restarts when code changes, waits where it cannot be loaded, and restarts when that is mended', async () => {
    const source = (word: string): string => `import { handle } from '@corebus/core'
type Message = { n: number }
handle({ topic: 'orders.created', group: 'inventory' }, ({ n }: Message) => console.log('${word}', n))
`
    const project = makeProject({ 'src/consumer.ts': source('first') })
    const watched = project.start(['consumer', '--watch'])
    await watched.says(STARTED)
    project.write({ 'src/consumer.ts': 'const broken = {{' })
    await watched.says(/src\/consumer\.ts has changed: restarting/)
    await watched.says(/waiting for a change/)
    expect(watched.stderr).toMatch(/^error: src\/consumer\.ts could not be loaded: /)
    project.write({ 'src/consumer.ts': source('second'), 'src/data.db': 'no code' })
    await saysTimes(watched, STARTED, 2)
    await project.core(['publish', 'orders.created', '{"n":1}'])
    await watched.says(/^second 1/m)
    expect(await watched.stop()).toMatchObject({ code: 0, stdout: expect.not.stringContaining('data.db') })
  })
})
