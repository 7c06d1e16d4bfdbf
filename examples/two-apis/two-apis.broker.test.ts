import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrokerName, broker, freePort } from '@corebus/testbed'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Played, play, processesWith, scriptPath } from './demo/fixtures/play.ts'
import { until } from './demo/until.ts'

/** Every broker with a server, and the variable that says where it is installed. */
const BROKERS: Readonly<Partial<Record<BrokerName, string>>> = { rabbitmq: 'RABBITMQ_HOME', kafka: 'KAFKA_HOME', redis: 'REDIS_HOME' }
/** What says where some broker is, on the machine that runs this. */
const ELSEWHERE = ['RABBITMQ_URL', 'BROKER_HOST', 'KAFKA_BOOTSTRAP_SERVERS', 'REDIS_URL', 'SQLITE_PATH']

const STARTED = /says {9}started one at \S*127\.0\.0\.1:\d+/

for (const [name, home] of Object.entries(BROKERS)) {
  const found = await broker(name as BrokerName) // the keys of BROKERS are no others
  afterAll(() => found?.stop())

  describe.skipIf(!found)(`on ${name}, by nothing but the environment`, { timeout: 120_000 }, () => {
    const { signal } = new AbortController()
    let folder: string
    let played: Played

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'two-apis-broker-'))
    })
    afterEach(async () => {
      played.process.kill('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    })

    const run = (script: 'demo' | 'start', env: NodeJS.ProcessEnv): void => {
      const nowhere = Object.fromEntries(ELSEWHERE.map((variable) => [variable, '']))
      const files = { TMPDIR: folder, USERS_DB: join(folder, 'users.db'), ORDERS_DB: join(folder, 'orders.db') }
      played = play({ ...nowhere, ...files, ...env }, [process.execPath, scriptPath(script)])
    }
    const says = (what: string | RegExp): Promise<true> =>
      until(`it says ${what}`, () => (typeof what === 'string' ? played.said().includes(what) : what.test(played.said())) || undefined, {
        signal,
        limitMs: 60_000,
      }).catch((error: Error) => {
        throw new Error(`${error.message}; it has said:\n${played.said()}`)
      })
    // Services whose broker is gone with the demo take their time to give up what they still wanted to publish.
    const nothingRuns = (): Promise<true> =>
      until('nothing of it runs any more', () => (processesWith(folder).length === 0 ? true : undefined), { signal, limitMs: 60_000 })

    test('the demo plays its story to the end: retries, dead letter, replay', async () => {
      run('demo', { ...found?.env })
      expect(await played.ended, played.said()).toBe(0)
      const said = played.said()
      expect(said.match(/ step {9}\d\. /g)).toHaveLength(6)
      expect(said.match(/ retry {8}\d\/3 in (500|1000|2000) ms/g)).toHaveLength(3)
      expect(said).toMatch(/ dead letter {2}.*payments\.process/)
      expect(said).toContain('npx corebus dlq retry --id')
      expect(said).toContain('all of it happened')
      expect(said).not.toMatch(STARTED)
      expect(await readdir(folder)).toEqual([])
    })

    test('npm start answers its three requests', async () => {
      run('start', { ...found?.env, USERS_PORT: '0', ORDERS_PORT: '0' })
      await says('Ctrl-C stops all of it')
      const [, user = '', users = ''] = /curl --json '(.*)' (\S+\/users\/register)/.exec(played.said()) ?? []
      const [, order = '', orders = ''] = /curl --json '(.*)' (\S+\/orders)\n/.exec(played.said()) ?? []
      const [, list = ''] = /curl '(\S+)'/.exec(played.said()) ?? []
      const headers = { 'content-type': 'application/json' }
      expect((await fetch(users, { method: 'POST', headers, body: user })).status).toBe(201)
      await until('the welcome order', async () => (await (await fetch(list)).text()).includes('welcome') || undefined, { signal })
      expect((await fetch(orders, { method: 'POST', headers, body: order })).status).toBe(201)
      played.process.kill('SIGINT')
      expect(await played.ended).toBe(0)
    })

    test('an address where nobody answers ends the demo with one line that names it', async () => {
      const port = await freePort()
      const elsewhere = Object.entries(found?.env ?? {}).map(([variable, value]) => [variable, value.replace(/:\d+(?=\/|$)/, `:${port}`)])
      run('demo', Object.fromEntries(elsewhere))
      expect(await played.ended).toBe(1)
      expect(played.said()).toMatch(new RegExp(`^demo: .* ended by itself .*127\\.0\\.0\\.1:${port}`, 'm'))
      await nothingRuns()
    })

    // Where one listens at the usual port, that one would be taken; where there is no /proc, nobody can say what is left.
    describe.skipIf(!found?.own || !existsSync('/proc/self/environ'))('where none is there', () => {
      test('the demo starts one for itself, which ends with it', async () => {
        run('demo', { MESSAGING_BROKER: name })
        expect(await played.ended, played.said()).toBe(0)
        expect(played.said()).toMatch(STARTED)
        await nothingRuns()
        expect(await readdir(folder)).toEqual([])
      })

      test.each(['SIGINT', 'SIGTERM'] as const)('%s in the middle ends the demo and that broker', async (by) => {
        run('demo', { MESSAGING_BROKER: name })
        await says('answered')
        expect(processesWith(folder).length).toBeGreaterThan(4)
        played.process.kill(by)
        expect(await played.ended).toBe(1)
        expect(played.said()).toContain(`demo: stopped by ${by}`)
        await nothingRuns()
        expect(await readdir(folder)).toEqual([])
      })

      test('kill -9 in the middle leaves neither a process nor the broker behind', async () => {
        run('demo', { MESSAGING_BROKER: name })
        await says('answered')
        expect(processesWith(folder).length).toBeGreaterThan(4)
        played.process.kill('SIGKILL')
        await nothingRuns()
      })

      test('kill -9 while the broker is being started leaves nothing behind', async () => {
        let isUp = true
        // Redis is up within a few looks at the processes: then it was too late, and is tried again.
        for (let n = 0; n < 20 && isUp; n++) {
          run('demo', { MESSAGING_BROKER: name })
          await until('it is being started', () => (processesWith(folder).length > 2 ? true : undefined), { signal })
          played.process.kill('SIGKILL')
          isUp = STARTED.test(played.said())
          await nothingRuns()
        }
        expect(isUp).toBe(false)
      })

      test('npm start has one until it is stopped', async () => {
        run('start', { MESSAGING_BROKER: name, USERS_PORT: '0', ORDERS_PORT: '0' })
        await says('Ctrl-C stops all of it')
        expect(played.said()).toMatch(STARTED)
        played.process.kill('SIGINT')
        expect(await played.ended).toBe(0)
        await nothingRuns()
      })

      test('where none is installed either, one line says what to install', async () => {
        run('demo', { MESSAGING_BROKER: name, [home]: folder })
        expect(await played.ended).toBe(1)
        expect(played.said()).toMatch(new RegExp(`^demo: no ${name} here: apt-get install .*$`, 'm'))
      })
    })
  })
}
