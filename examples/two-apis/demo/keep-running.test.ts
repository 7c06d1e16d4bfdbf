import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { meetingPlace } from './broker.ts'
import { type Played, play, scriptPath } from './fixtures/play.ts'
import { ROOT } from './keep-running.ts'
import { until } from './until.ts'

it('npm start keeps its messages where `npx corebus topics` looks for them', async () => {
  const place = await meetingPlace({}, ROOT, () => undefined)
  expect(place.env).toEqual({ MESSAGING_BROKER: 'sqlite', SQLITE_PATH: join(import.meta.dirname, '../../../.core/messages.db') })
})

describe('npm start', () => {
  const { signal } = new AbortController()
  let folder: string
  let start: Played

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'start-test-'))
  })
  afterEach(async () => {
    start.process.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })

  const run = (env: NodeJS.ProcessEnv = {}): void => {
    const files = { SQLITE_PATH: join(folder, 'messages.db'), USERS_DB: join(folder, 'users.db'), ORDERS_DB: join(folder, 'orders.db') }
    start = play({ ...files, MESSAGING_BROKER: 'sqlite', USERS_PORT: '0', ORDERS_PORT: '0', ...env }, [
      process.execPath,
      scriptPath('start'),
    ])
  }
  const isUp = (): Promise<true> => until('it is up', () => start.said().includes('Ctrl-C stops all of it') || undefined, { signal })

  it('prints three requests that work, and ends well when it is told to', async () => {
    run()
    await isUp()
    const users = /curl --json '(.*)' (\S+\/users\/register)/.exec(start.said())
    const orders = /curl --json '(.*)' (\S+\/orders)\n/.exec(start.said())
    const list = /curl '(\S+)'/.exec(start.said())?.[1] as string
    const post = async ([, body, url]: readonly string[]): Promise<number> =>
      (await fetch(url as string, { method: 'POST', headers: { 'content-type': 'application/json' }, body: body as string })).status
    expect(await post(users as readonly string[])).toBe(201)
    await until('the welcome order', async () => (await (await fetch(list)).text()).includes('welcome') || undefined, { signal })
    expect(await post(orders as readonly string[])).toBe(201)
    expect(await (await fetch(list)).json()).toHaveLength(2)
    start.process.kill('SIGINT')
    expect(await start.ended).toBe(0)
    expect(start.said()).toContain('all of them have ended with exit code 0')
  })

  it('waits for what cannot end, until it is told again', async () => {
    run()
    await isUp()
    const consumer = Number(/process (\d+) consumes/.exec(start.said())?.[1])
    process.kill(consumer, 'SIGSTOP')
    start.process.kill('SIGINT')
    await until('it is stopping', () => start.said().includes('once more to end them at once') || undefined, { signal })
    // The same signal within half a second would count as the same keystroke.
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(start.process.exitCode).toBe(null)
    start.process.kill('SIGINT')
    expect(await start.ended).toBe(130)
  })

  it('says what to do when a port is taken, and stops the rest', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const address = taken.address()
    run({ ORDERS_PORT: String(typeof address === 'object' ? address?.port : '') })
    expect(await start.ended).toBe(1)
    expect(start.said()).toMatch(/start: orders-api ended by itself/)
    expect(start.said()).toContain('EADDRINUSE')
    expect(start.said()).toContain('USERS_PORT and ORDERS_PORT name other ports')
    taken.close()
  })
})
