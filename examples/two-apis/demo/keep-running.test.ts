import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from './until.ts'

const SCRIPT = fileURLToPath(new URL('../../../scripts/start.ts', import.meta.url))

describe('npm start', () => {
  const { signal } = new AbortController()
  let folder: string
  let start: ChildProcess
  let said: string
  let ended: Promise<number | string | null>

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'start-test-'))
  })
  afterEach(async () => {
    start.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })

  const run = (env: NodeJS.ProcessEnv = {}): void => {
    const files = { SQLITE_PATH: join(folder, 'messages.db'), USERS_DB: join(folder, 'users.db'), ORDERS_DB: join(folder, 'orders.db') }
    const child = spawn(process.execPath, [SCRIPT], {
      env: { ...process.env, ...files, MESSAGING_BROKER: 'sqlite', USERS_PORT: '0', ORDERS_PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    start = child
    said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
    ended = new Promise((resolve) => child.on('close', (code, killed) => resolve(code ?? killed)))
  }
  const isUp = (): Promise<true> => until('it is up', () => said.includes('Ctrl-C stops all of it') || undefined, { signal })

  it('prints three requests that work, and ends well when it is told to', async () => {
    run()
    await isUp()
    const users = /curl -d '(.*)' (\S+\/users\/register)/.exec(said)
    const orders = /curl -d '(.*)' (\S+\/orders)\n/.exec(said)
    const list = /curl '(\S+)'/.exec(said)?.[1] as string
    const post = async ([, body, url]: readonly string[]): Promise<number> =>
      (await fetch(url as string, { method: 'POST', body: body as string })).status
    expect(await post(users as readonly string[])).toBe(201)
    await until('the welcome order', async () => (await (await fetch(list)).text()).includes('welcome') || undefined, { signal })
    expect(await post(orders as readonly string[])).toBe(201)
    expect(await (await fetch(list)).json()).toHaveLength(2)
    start.kill('SIGINT')
    expect(await ended).toBe(0)
    expect(said).toContain('all of them have ended with exit code 0')
  })

  it('waits for what cannot end, until it is told again', async () => {
    run()
    await isUp()
    const consumer = Number(/process (\d+) consumes/.exec(said)?.[1])
    process.kill(consumer, 'SIGSTOP')
    start.kill('SIGINT')
    await until('it is stopping', () => said.includes('once more to end them at once') || undefined, { signal })
    // The same signal within half a second would count as the same keystroke.
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(start.exitCode).toBe(null)
    start.kill('SIGINT')
    expect(await ended).toBe(130)
  })

  it('says what to do when a port is taken, and stops the rest', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const address = taken.address()
    run({ ORDERS_PORT: String(typeof address === 'object' ? address?.port : '') })
    expect(await ended).toBe(1)
    expect(said).toMatch(/start: orders-api ended by itself/)
    expect(said).toContain('EADDRINUSE')
    expect(said).toContain('USERS_PORT and ORDERS_PORT name other ports')
    taken.close()
  })
})
