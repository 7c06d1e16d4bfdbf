import { authority, chaosProxy, freePort, startRabbitmq } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { PublishError } from '../../errors.ts'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'

const certificates = await authority()
await certificates.sign('server')
const client = await certificates.sign('client')
const stranger = await authority()
afterAll(() => {
  certificates.remove()
  stranger.remove()
})

const tlsPort = await freePort()
const running = await startRabbitmq({
  config: [
    'max_message_size = 2000000',
    'consumer_timeout = 3000',
    `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
    `ssl_options.cacertfile = ${certificates.folder}/ca.pem`,
    `ssl_options.certfile = ${certificates.folder}/server.pem`,
    `ssl_options.keyfile = ${certificates.folder}/server.key`,
    'ssl_options.verify = verify_peer',
    'ssl_options.fail_if_no_peer_cert = true',
  ],
})
afterAll(() => running?.stop())
const url = running?.url ?? ''
const ctl = async (...args: string[]) => running?.ctl(...args)

async function behindProxy() {
  const proxy = await chaosProxy({ port: Number(new URL(url).port) })
  onTestFinished(() => proxy.close())
  return proxy
}

describe.skipIf(!running)('connections to RabbitMQ', () => {
  test('TLS with an authority and a certificate of our own; without them, or with others, it fails at once', async () => {
    const secure = `amqps://guest:guest@localhost:${tlsPort}/`
    const room = openRoom(secure)
    const { ca } = certificates
    const driver = await room.connected({ tls: { ca, ...client } })
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    await driver.publish(messages(room.topic, 3))
    await group.nth(3)
    const started = performance.now()
    await expect(room.connected({ tls: { ca } })).rejects.toMatchObject({ code: 'CONNECT' })
    await expect(room.connected({ tls: { ca: stranger.ca, ...client } })).rejects.toMatchObject({
      code: 'CONNECT',
      message: expect.stringMatching(/certificate/),
    })
    await expect(room.connected({ tls: true })).rejects.toMatchObject({ code: 'CONNECT' })
    expect(performance.now() - started).toBeLessThan(8_000)
  })

  test('a wrong password or virtual host fails at once, in words and without the secret; user and password may be any text', async () => {
    const room = openRoom(url)
    const { host } = new URL(url)
    const started = performance.now()
    const wrong = await room
      .driver({ auth: { username: 'guest', password: 'not-this-one' } })
      .connect(() => {})
      .catch((error: Error) => error)
    expect(wrong).toMatchObject({ code: 'CONNECT', message: expect.stringMatching(/ACCESS_REFUSED/) })
    expect(String(wrong)).not.toContain('not-this-one')
    await expect(room.connected({ url: `amqp://guest:guest@${host}/nowhere` })).rejects.toMatchObject({
      message: expect.stringMatching(/no such virtual host/),
    })
    expect(performance.now() - started).toBeLessThan(3_000)

    const [name, password] = ['größe', 'päß:wörd/@%鍵']
    await ctl('add_user', name, password)
    await ctl('set_permissions', name, '.*', '.*', '.*')
    const login = `${encodeURIComponent(name)}:${encodeURIComponent(password)}`
    for (const options of [{ url: `amqp://${login}@${host}/` }, { auth: { username: name, password } }]) await room.connected(options)
  })

  test('nobody there: tried until the deadline, then an error that says where; close gives up at once', async () => {
    const port = await freePort()
    const room = openRoom(`amqp://guest:guest@127.0.0.1:${port}/`)
    const started = performance.now()
    await expect(room.connected({ publishTimeoutMs: 700 })).rejects.toMatchObject({
      code: 'CONNECT',
      message: expect.stringContaining(`cannot connect to RabbitMQ at 127.0.0.1:${port}: connect ECONNREFUSED`),
    })
    expect(performance.now() - started).toBeLessThan(2_000)
    const driver = room.driver()
    const connecting = driver.connect(() => {}).catch((error: unknown) => error)
    await quiet(200)
    await Promise.all([driver.close(), driver.close()])
    expect(await connecting).toMatchObject({ code: 'CLOSED' })
  })

  test('closed by an operator: one state each way, and everything goes on', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    await driver.publish(messages(room.topic, 5))
    await group.nth(5)
    await ctl('close_all_connections', 'for the test')
    const sent = messages(room.topic, 20)
    await driver.publish(sent)
    await until(() => sent.every(({ id }) => group.ids().includes(id)))
    expect(driver.states.map(({ kind }) => kind)).toEqual(['connected', 'reconnecting', 'connected'])
    expect(group.states.map(({ kind }) => kind)).toEqual(['consuming', 'reconnecting', 'consuming'])
  })

  test('cut in the middle of publishing: what is confirmed is there, and nothing hangs', async () => {
    const proxy = await behindProxy()
    const room = openRoom(proxy.through(url))
    const driver = await room.connected()
    const sent = messages(room.topic, 2_000, { bytes: 500 })
    await driver.publish(sent.slice(0, 1))
    const outcomes = sent.slice(1).map((message) => driver.publish([message]).then(() => message.id))
    for (let cut = 0; cut < 5; cut++) {
      proxy.cutAfter(60_000 + 20_000 * cut)
      await quiet(150)
    }
    const confirmed = await Promise.all(outcomes)
    const group = await member(await room.connected(), { topics: [room.topic], acknowledges: true, limit: 1_000 })
    await until(() => confirmed.every((id) => group.ids().includes(id)))
    expect(driver.states.length).toBeGreaterThan(2)
  }, 60_000)

  test('an alarm is a state, publishes reject at their deadline and say so, and handlers go on', async () => {
    const room = openRoom(url)
    const driver = await room.connected({ publishTimeoutMs: 700 })
    const group = await member(driver, { topics: [room.topic], limit: 5 })
    await driver.publish(messages(room.topic, 10))
    await group.nth(5)
    await ctl('set_vm_memory_high_watermark', '0.00001')
    onTestFinished(() => ctl('set_vm_memory_high_watermark', '0.4').then(() => {}))
    // A connection is blocked when it publishes next.
    const [first, second] = messages(room.topic, 2)
    await expect(driver.publish(first ? [first] : [])).rejects.toMatchObject({
      failures: [{ permanent: false, cause: { code: 'PUBLISH_TIMEOUT' } }],
    })
    await until(() => driver.states.at(-1)?.kind === 'blocked')
    await expect(driver.publish(second ? [second] : [])).rejects.toThrow(/takes no messages now: low on memory/)
    await group.ack(...group.deliveries)
    await group.nth(10)
    const [delivery] = group.deliveries.slice(5)
    await expect(group.settle(delivery ? [{ kind: 'retry', delivery, headers: {}, afterMs: 100 }] : [])).rejects.toMatchObject({
      code: 'SETTLE_FAILED',
    })
    await ctl('set_vm_memory_high_watermark', '0.4')
    await until(() => driver.states.at(-1)?.kind === 'connected')
    await driver.publish(messages(room.topic, 1))
    expect(driver.states.map(({ kind }) => kind)).toEqual(['connected', 'blocked', 'connected'])
    await group.settle(delivery ? [{ kind: 'retry', delivery, headers: {}, afterMs: 100 }] : [])
  })

  test('close while blocked resolves, and what could not be published is rejected', async () => {
    const room = openRoom(url)
    const driver = await room.connected({ publishTimeoutMs: 500 })
    await driver.publish(messages(room.topic, 1))
    await ctl('set_vm_memory_high_watermark', '0.00001')
    onTestFinished(() => ctl('set_vm_memory_high_watermark', '0.4').then(() => {}))
    const pending = driver.publish(messages(room.topic, 5)).catch((error: unknown) => error)
    const started = performance.now()
    await driver.close()
    expect(performance.now() - started).toBeLessThan(3_000)
    expect(await pending).toBeInstanceOf(PublishError)
  })

  test('one message beyond what the broker takes is refused for good; the others of its call are there once', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const sent = [...messages(room.topic, 5), ...messages(room.topic, 1, { bytes: 2_000_001 }), ...messages(room.topic, 5)]
    await expect(driver.publish(sent)).rejects.toMatchObject({
      failures: [{ id: sent[5]?.id, permanent: true, cause: { code: 'TOO_LARGE' } }],
    })
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    await group.nth(10)
    await quiet()
    expect(new Set(group.ids())).toEqual(new Set(sent.toSpliced(5, 1).map(({ id }) => id)))
  })

  test('a user who may not: publishing is refused for good, creating says what to do, and nothing else suffers', async () => {
    const room = openRoom(url)
    await ctl('add_user', 'reader', 'secret')
    await ctl('set_permissions', 'reader', '^$', '^allowed-.*', '.*')
    const driver = await room.connected({ auth: { username: 'reader', password: 'secret' } })
    const wanted = { topics: [room.topic], groups: [] }
    await expect(driver.ensure(wanted, 'create')).rejects.toMatchObject({
      code: 'ACCESS_REFUSED',
      message: expect.stringContaining("topology: 'check'"),
    })
    await (await room.connected()).ensure(wanted, 'create')
    expect(await driver.ensure(wanted, 'check')).toEqual([])
    const allowed = `allowed-${room.topic}`
    await (await room.connected()).ensure({ topics: [allowed], groups: [] }, 'create')
    await driver.ensure({ topics: [allowed], groups: [] }, 'check')
    const [forbidden, fine] = [...messages(room.topic, 1), ...messages(allowed, 1)]
    if (!forbidden || !fine) throw new Error('no messages')
    await expect(driver.publish([forbidden, fine])).rejects.toMatchObject({
      failures: [{ id: forbidden.id, permanent: true, cause: { code: 'ACCESS_REFUSED' } }],
    })
    await driver.publish([fine])
  })

  test("a delivery held beyond the broker's own time-out is lost, said, and comes again", async () => {
    // It looks once a minute, unless told otherwise.
    await ctl('eval', 'application:set_env(rabbit, channel_tick_interval, 500).')
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    await driver.publish(messages(room.topic, 2))
    await group.nth(2)
    await until(() => group.lost.length === 2)
    expect(group.states[1]).toMatchObject({ kind: 'reconnecting', error: { message: expect.stringMatching(/timed out/) } })
    // The old receipts settle nothing.
    await group.ack(...group.deliveries.slice(0, 2))
    await group.nth(4)
    expect(group.deliveries.slice(2).map(({ unsettledBefore }) => unsettledBefore)).toEqual([1, 1])
    await group.ack(...group.deliveries.slice(2))
    await quiet(500)
    expect(group.deliveries.length).toBe(4)
    expect(driver.states.map(({ kind }) => kind)).toEqual(['connected'])
  })
})
