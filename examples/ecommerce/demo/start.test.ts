import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { isRunning, play, scriptPath } from '../../two-apis/demo/fixtures/play.ts'
import { PATIENCE_MS } from '../fixtures/booted.ts'
import { embedded } from '../fixtures/folder.ts'
import { shop } from '../fixtures/shop.ts'
import { type Started, started } from '../fixtures/started.ts'
import { becomes } from './client.ts'
import { SERVICES } from './system.ts'

const LIMIT = { timeout: 3 * PATIENCE_MS }

describe('npm run start:ecommerce', () => {
  const running: Started[] = []
  afterEach(async () => {
    for (const start of running.splice(0)) await start.end()
  })
  const start = async (...given: Parameters<typeof started>): Promise<Started> => {
    const one = await started(...given)
    running.push(one)
    return one
  }

  it('runs all of them, starts one again that dies, and ends well when it is told to', LIMIT, async () => {
    const { run, firstPort, folder, pidOf, up, says } = await start()
    await up()
    for (const [at, service] of SERVICES.entries()) expect(run.said()).toContain(`${service.padEnd(16)} http://127.0.0.1:${firstPort + at}`)
    const on = shop({ url: (service) => `http://127.0.0.1:${firstPort + SERVICES.indexOf(service)}` })
    const userId = await on.user()
    const productId = await on.product(3)
    const reserved = async () =>
      becomes(on.ask, `/api/v1/orders/${await on.order(userId, [productId, 1])}`, { status: 'RESERVED' }, PATIENCE_MS)
    await reserved()

    process.kill(pidOf('product-service', 'consumer'), 'SIGKILL')
    await says(/^product-service .*product-service consumer ended by itself \(SIGKILL\), and is started again in 1 s$/m)
    await says(/^product-service .*product-service consumer works again$/m)
    await reserved()

    process.kill(pidOf('order-service', 'API'), 'SIGKILL')
    await says(/^order-service .*order-service works again$/m)
    await reserved()
    // The terminal has a line for each request, with the service's name in front; everything else is in the files.
    expect(run.said()).toMatch(/^order-service +\d+\.\d+ s +answered +POST \/api\/v1\/orders 201 in \d+ ms$/m)
    const pids = SERVICES.map((service) => pidOf(service, 'API'))
    expect(pids.filter(isRunning)).toHaveLength(SERVICES.length)
    run.process.kill('SIGINT')
    expect(await run.ended).toBe(0)
    expect(run.said()).toContain('all of them have ended with exit code 0')
    expect(pids.filter(isRunning)).toEqual([])
    for (const service of SERVICES) expect(readFileSync(join(folder, 'logs', `${service}.log`), 'utf8')).toContain('"msg":"listens at')
  })

  it('waits for one that cannot end, until it is told again', LIMIT, async () => {
    const { run, pidOf, up, says } = await start()
    await up()
    const consumer = pidOf('order-service', 'consumer')
    process.kill(consumer, 'SIGSTOP')
    run.process.kill('SIGINT')
    await says('once more to end them at once')
    // The same signal within half a second would count as the same keystroke.
    await sleep(600)
    expect(run.process.exitCode).toBe(null)
    run.process.kill('SIGINT')
    expect(await run.ended).toBe(130)
    await expect.poll(() => isRunning(consumer), { timeout: PATIENCE_MS }).toBe(false)
  })

  it('--only runs a service and its consumer alone', LIMIT, async () => {
    const { run, up } = await start(['--only', 'order-service'])
    await up()
    expect(run.said()).toMatch(/^order-service .* listens at /m)
    expect(run.said()).toMatch(/^order-service .* consumes: /m)
    expect(run.said()).not.toMatch(/^(user|product)-service /m)
  })

  it('says in one line which port is taken, and starts nothing', LIMIT, async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const address = taken.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const { run, folder } = await start(['--only', 'user', '--first-port', String(port)])
    expect(await run.ended).toBe(1)
    expect(run.said()).toBe(
      `start:ecommerce: port ${port} of user-service is taken: end what listens there (lsof -i :${port}), or choose other ports by --first-port 9081\n`,
    )
    expect(existsSync(join(folder, 'logs'))).toBe(false)
    await new Promise((resolve) => taken.close(resolve))
  })

  it('waits for a broker that is not there yet, and says so', LIMIT, async () => {
    const { run, says } = await start(['--broker', 'rabbitmq'], { RABBITMQ_URL: 'amqp://127.0.0.1:1', MESSAGING_BROKER: '' })
    await says(/^start .*waits for the broker, 90 s at most: cannot connect to RabbitMQ at 127\.0\.0\.1:1/m)
    run.process.kill('SIGINT')
    expect(await run.ended).toBe(0)
  })

  it('gives up on a mistake in settings that only the service reads, and tries it no second time', LIMIT, async () => {
    const { run } = await start(['--only', 'order-service'], { ORDER_EXPIRES_AFTER: 'soon' })
    expect(await run.ended).toBe(1)
    expect(run.said()).toMatch(/^start:ecommerce: order-service.* ended by itself .*ORDER_EXPIRES_AFTER is a time such as 500ms/ms)
    expect(run.said()).not.toContain('is started again')
  })
})

describe('the command line of npm run start:ecommerce', () => {
  const once = async (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: unknown; said: string }> => {
    const place = await embedded(env)
    const run = play(place.env, [process.execPath, scriptPath('start-ecommerce'), ...args])
    const code = await run.ended
    await place.remove()
    return { code, said: run.said() }
  }

  it('has a help with examples', LIMIT, async () => {
    const { code, said } = await once(['--help'])
    expect(code).toBe(0)
    expect(said).toContain('$ npm run start:ecommerce -- --broker kafka --write mysql --read mongodb')
  })

  it.each([
    [['--broker', 'nats'], '--broker is one of sqlite, kafka, rabbitmq, redis, and not "nats" (--help shows how)'],
    [['--write', 'mongodb'], '--write is one of sqlite, mysql, postgres, and not "mongodb" (--help shows how)'],
    [['--read', 'mysql'], '--read is one of sqlite, postgres, mongodb, and not "mysql" (--help shows how)'],
    [['--only', 'x'], expect.stringContaining('--only is one of user-service, product-service, order-service')],
    [['--first-port', '70000'], expect.stringMatching(/^--first-port is a number from 1 to 655\d\d, and not "70000"/)],
    [['--brokr', 'kafka'], "Unknown option '--brokr' (--help shows how)"],
    [['kafka'], expect.stringMatching(/^Unexpected argument 'kafka'/)],
  ])('%j is a mistake in one line', LIMIT, async (args, why) => {
    const { code, said } = await once(args)
    expect(code).toBe(2)
    expect(said.split('\n')).toEqual([expect.any(String), ''])
    expect(said.trim().replace('start:ecommerce: ', '')).toEqual(why)
  })

  it('settings that are wrong are said before anything starts', LIMIT, async () => {
    const { code, said } = await once([], { MYSQL_DSN: 'ecommerce:ecommerce@tcp(mysql:3306)/ecommerce' })
    expect(code).toBe(2)
    expect(said).toContain('MYSQL_DSN is in the form of Go')
  })
})
