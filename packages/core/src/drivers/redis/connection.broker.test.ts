import { authority, chaosProxy, freePort, startRedis } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { PublishError } from '../../errors.ts'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'

const certificates = await authority()
const client = await certificates.sign('client')
const stranger = await authority()
const running = await startRedis({ tls: { ...(await certificates.sign('server')), ca: certificates.ca, clients: true } })
afterAll(async () => {
  await running?.stop()
  certificates.remove()
  stranger.remove()
})
const url = running?.url ?? ''
const cli = (...args: string[]) => running?.cli(...args) ?? ''

// #region commands
const COMMANDS = [
  '+ping +hello +time +evalsha +eval +client|setname +client|info +client|unblock',
  '+xadd +xread +xreadgroup +xack +xclaim +xdel +xlen +xrange +xrevrange +xtrim +xpending',
  '+xinfo|stream +xinfo|groups +xinfo|consumers +xgroup|create +xgroup|delconsumer',
  '+sadd +smembers +sismember +hset +hsetnx +hget +hgetall +hdel +exists',
  '+zadd +zrem +zscore +zcard +zcount +zrange +zrangebyscore',
]
  .join(' ')
  .split(' ')
// #endregion commands

async function behindProxy() {
  const proxy = await chaosProxy({ port: Number(new URL(url).port) })
  onTestFinished(() => proxy.close())
  return proxy
}

describe.skipIf(!running)('connections to Redis', () => {
  test('TLS with an authority and a certificate of our own; without them, or with others, it fails at once', async () => {
    const secure = (running?.tlsUrl ?? '').replace('127.0.0.1', 'localhost')
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

  test('a wrong password or database fails at once, in words and without the secret; user and password may be any text', async () => {
    const room = openRoom(url)
    const { host } = new URL(url)
    const [name, password] = ['größe', 'päß:wörd/@%鍵']
    expect(cli('ACL', 'SETUSER', name, 'on', `>${password}`, '~*', '&*', '+@all')).toBe('OK\n')
    const started = performance.now()
    const wrong = await room
      .driver({ auth: { username: name, password: 'not-this-one' } })
      .connect(() => {})
      .catch((error: Error) => error)
    expect(wrong).toMatchObject({ code: 'CONNECT', message: expect.stringMatching(/WRONGPASS/) })
    expect(String(wrong)).not.toContain('not-this-one')
    await expect(room.connected({ url: `redis://${host}/99` })).rejects.toMatchObject({ message: expect.stringMatching(/DB index/) })
    expect(performance.now() - started).toBeLessThan(3_000)
    const login = `${encodeURIComponent(name)}:${encodeURIComponent(password)}`
    for (const options of [{ url: `redis://${login}@${host}/0` }, { auth: { username: name, password } }]) await room.connected(options)
  })

  test('a database of its own keeps topics apart', async () => {
    const room = openRoom(url)
    const other = await room.connected({ url: url.replace(/0$/, '3') })
    await other.publish(messages(room.topic, 2))
    expect(await other.admin.topics([room.topic])).toMatchObject([{ kept: 2 }])
    expect(await (await room.connected()).admin.topics([room.topic])).toEqual([])
  })

  test('nobody there: tried until the deadline, then an error that says where; close gives up at once', async () => {
    const port = await freePort()
    const room = openRoom(`redis://127.0.0.1:${port}/0`)
    const started = performance.now()
    await expect(room.connected({ publishTimeoutMs: 700 })).rejects.toMatchObject({
      code: 'CONNECT',
      message: expect.stringContaining(`no connection to Redis at 127.0.0.1:${port}: connect ECONNREFUSED`),
    })
    expect(performance.now() - started).toBeLessThan(2_000)
    const driver = room.driver()
    const connecting = driver.connect(() => {}).catch((error: unknown) => error)
    await quiet(200)
    await Promise.all([driver.close(), driver.close()])
    expect(await connecting).toMatchObject({ code: 'CLOSED' })
  })

  test('closed by an operator: one state each way, everything goes on, and what is held stays held', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    await driver.publish(messages(room.topic, 5))
    await group.nth(5)
    cli('CLIENT', 'KILL', 'TYPE', 'normal')
    const sent = messages(room.topic, 20)
    await driver.publish(sent)
    await group.nth(25)
    await group.ack(...group.deliveries)
    await until(() => group.states.length === 3)
    expect(driver.states.map(({ kind }) => kind)).toEqual(['connected', 'reconnecting', 'connected'])
    expect(group.states.map(({ kind }) => kind)).toEqual(['consuming', 'reconnecting', 'consuming'])
    expect(group.lost).toEqual([])
    expect(await driver.admin.depth(room.topic, 'g')).toMatchObject({ ready: 0, inFlight: 0 })
  })

  test('after a restart, which counts its clients from 1 again, nobody is taken for the connection that was lost', async () => {
    const own = await startRedis()
    onTestFinished(() => own?.stop())
    const proxy = await chaosProxy({ port: Number(new URL(own?.url ?? '').port) })
    onTestFinished(() => proxy.close())
    const clients = (count: number) => Promise.all(Array.from({ length: count }, () => openRoom(own?.url ?? '').bare()))
    // So that its number is given again.
    await clients(10)
    const room = openRoom(proxy.through(own?.url ?? ''))
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    await proxy.refuse()
    proxy.cut()
    await own?.restart()
    const others = await clients(30)
    await proxy.accept()
    await until(() => group.states.length === 3)
    await driver.publish(messages(room.topic, 3))
    await group.nth(3)
    expect(await Promise.all(others.map(({ ask }) => ask('PING')))).toEqual(others.map(() => 'PONG'))
  })

  test('cut in the middle of publishing: what is confirmed is there, once, in its order, and nothing hangs', async () => {
    const proxy = await behindProxy()
    const room = openRoom(proxy.through(url))
    const driver = await room.connected()
    const sent = messages(room.topic, 3_000, { bytes: 500 })
    await driver.publish(sent.slice(0, 1))
    const outcomes = sent.slice(1).map((message) => driver.publish([message]).then(() => message.id))
    for (let cut = 0; cut < 5; cut++) {
      // On the way there, and on the way back: then it is on the stream and nobody knows.
      proxy.cutAfter(60_000 + 20_000 * cut)
      await quiet(150)
    }
    await Promise.all(outcomes)
    const { entries } = await openRoom(url).bare()
    const ids = (await entries(room.topic)).map(({ fields }) =>
      String(fields[fields.findIndex((name) => String(name) === 'corebus-id') + 1]),
    )
    expect(ids).toEqual(sent.map(({ id }) => id))
    expect(driver.states.length).toBeGreaterThan(2)
  }, 60_000)

  test('answers that are lost: what was stored is not stored again', async () => {
    const proxy = await behindProxy()
    const room = openRoom(proxy.through(url))
    const driver = await room.connected()
    await driver.publish(messages(room.topic, 1))
    proxy.freeze('down')
    const sent = messages(room.topic, 300)
    const publishing = driver.publish(sent)
    const { ask } = await openRoom(url).bare()
    await until(async () => Number(await ask('XLEN', room.topic)) >= 301)
    // Somebody else goes on meanwhile.
    await (await openRoom(url).connected()).publish(messages(room.topic, 1_000))
    proxy.cut()
    proxy.thaw()
    await publishing
    expect(Number(await ask('XLEN', room.topic))).toBe(1_301)
  })

  test('a Redis that is full is a state, publishes reject at their deadline and say so, handlers go on; then all is well', async () => {
    const room = openRoom(url)
    const driver = await room.connected({ publishTimeoutMs: 700 })
    const group = await member(driver, { topics: [room.topic], limit: 5 })
    await driver.publish(messages(room.topic, 10))
    await group.nth(5)
    cli('CONFIG', 'SET', 'maxmemory', '1')
    onTestFinished(() => void cli('CONFIG', 'SET', 'maxmemory', '0'))
    await expect(driver.publish(messages(room.topic, 1))).rejects.toMatchObject({
      failures: [{ permanent: false, cause: { code: 'PUBLISH_TIMEOUT', message: expect.stringMatching(/takes no messages now: OOM/) } }],
    })
    expect(driver.states.at(-1)?.kind).toBe('blocked')
    const pending = driver.publish(messages(room.topic, 5)).catch((error: unknown) => error)
    cli('CONFIG', 'SET', 'maxmemory', '0')
    expect(await pending).toBe(undefined)
    await until(() => driver.states.at(-1)?.kind === 'connected')
    await group.ack(...group.deliveries)
    await group.nth(10)
  })

  test('a member whose sign of life a full Redis refused is said to be back as soon as it takes writes', async () => {
    const room = openRoom(url)
    const group = await member(await room.connected(), { topics: [room.topic] })
    cli('CONFIG', 'SET', 'maxmemory', '1')
    onTestFinished(() => void cli('CONFIG', 'SET', 'maxmemory', '0'))
    await until(() => group.states.at(-1)?.kind === 'reconnecting')
    cli('CONFIG', 'SET', 'maxmemory', '0')
    await until(() => group.states.at(-1)?.kind === 'consuming')
  })

  test('close while nothing can be stored resolves, and what could not be published is rejected', async () => {
    const room = openRoom(url)
    const driver = await room.connected({ publishTimeoutMs: 500 })
    await driver.publish(messages(room.topic, 1))
    cli('CONFIG', 'SET', 'maxmemory', '1')
    onTestFinished(() => void cli('CONFIG', 'SET', 'maxmemory', '0'))
    const pending = driver.publish(messages(room.topic, 5)).catch((error: unknown) => error)
    const started = performance.now()
    await driver.close()
    expect(performance.now() - started).toBeLessThan(5_000)
    expect(await pending).toBeInstanceOf(PublishError)
  })

  test('an ACL user needs the documented commands and keys and no more', async () => {
    const room = openRoom(url)
    expect(cli('ACL', 'SETUSER', 'app', 'reset', 'on', '>secret', '~app.*', '~{app.*', 'resetchannels', '-@all', ...COMMANDS)).toBe('OK\n')
    cli('ACL', 'LOG', 'RESET')
    const options = { auth: { username: 'app', password: 'secret' }, prefix: 'app.' }
    const driver = await room.connected(options)
    const group = await member(driver, { topics: [room.topic] })
    await driver.publish(messages(room.topic, 6))
    await group.nth(6)
    const [one, two, ...rest] = group.deliveries
    if (!one || !two) throw new Error('no deliveries')
    await group.settle([
      { kind: 'retry', delivery: one, headers: {}, afterMs: 50 },
      { kind: 'deadLetter', delivery: two, headers: {} },
    ])
    await group.ack(...rest.slice(0, 2))
    await group.nth(7)
    expect(await driver.admin.replay({ topic: room.topic }, {})).toBe(1)
    await group.nth(8)
    expect(await driver.admin.depth(room.topic, 'g')).toMatchObject({ ready: 0, inFlight: 4, dead: 0 })
    expect((await driver.admin.topics()).map(({ topic }) => topic)).toEqual([room.topic])
    const seen: string[] = []
    const tail = await driver.tail({ topic: room.topic, from: 'earliest', onMessages: (given) => seen.push(...given.map(({ id }) => id)) })
    await until(() => seen.length === 6)
    await tail.stop()
    await driver.close()
    const next = await member(await room.connected(options), { topics: [room.topic], acknowledges: true })
    await next.nth(4)
    expect(next.deliveries.every(({ unsettledBefore }) => unsettledBefore === 0)).toBe(true)
    // Nothing else was even tried.
    expect(cli('ACL', 'LOG').trim()).toBe('')
  })

  test('a user who may not: it is refused for good, says which right is missing, and nothing else suffers', async () => {
    const room = openRoom(url)
    cli('ACL', 'SETUSER', 'reader', 'reset', 'on', '>secret', '~allowed-*', '~{allowed-*', '~corebus:topics', '-@all', ...COMMANDS)
    const driver = await room.connected({ auth: { username: 'reader', password: 'secret' } })
    await expect(
      driver.ensure({ topics: [], groups: [{ topic: room.topic, group: 'g', delays: [], deadLetter: {} }] }, 'create'),
    ).rejects.toMatchObject({
      code: 'ACCESS_REFUSED',
      message: expect.stringContaining('NOPERM'),
    })
    const allowed = `allowed-${room.topic}`
    const [forbidden, fine] = [...messages(room.topic, 1), ...messages(allowed, 1)]
    if (!forbidden || !fine) throw new Error('no messages')
    await expect(driver.publish([forbidden, fine])).rejects.toMatchObject({
      failures: [{ id: forbidden.id, permanent: true, cause: { code: 'ACCESS_REFUSED' } }],
    })
    await (await member(driver, { topics: [allowed], acknowledges: true })).nth(1)
  })

  test('a member that may not write the copy acknowledges nothing; with the right given back the letter is stored once', async () => {
    const room = openRoom(url)
    cli('ACL', 'SETUSER', 'no-writer', 'reset', 'on', '>secret', '~*', '&*', '+@all')
    const driver = await room.connected({ auth: { username: 'no-writer', password: 'secret' } })
    const group = await member(driver, { topics: [room.topic] })
    await driver.publish(messages(room.topic, 2))
    await group.nth(2)
    const [one, two] = group.deliveries
    if (!one || !two) throw new Error('no deliveries')
    cli('ACL', 'SETUSER', 'no-writer', '-xadd')
    const { ask } = await room.bare()
    const pending = async () => ((await ask('XPENDING', room.topic, 'g')) as [number])[0]
    const refused = { code: 'SETTLE_FAILED', cause: { code: 'ACCESS_REFUSED', message: expect.stringContaining('The user') } }
    await expect(group.settle([{ kind: 'deadLetter', delivery: one, headers: {} }])).rejects.toMatchObject(refused)
    await expect(group.settle([{ kind: 'retry', delivery: two, headers: {}, afterMs: 0 }])).rejects.toMatchObject(refused)
    expect(await pending()).toBe(2)
    cli('ACL', 'SETUSER', 'no-writer', '+xadd')
    await group.settle([
      { kind: 'deadLetter', delivery: one, headers: {} },
      { kind: 'retry', delivery: two, headers: {}, afterMs: 0 },
    ])
    expect((await driver.admin.deadLetters({ topic: room.topic })).letters.map(({ message }) => message.id)).toEqual([one.message.id])
    expect((await group.nth(3)).message.id).toBe(two.message.id)
    expect(await pending()).toBe(0)
  })

  test('a password that is changed is said, once, and with the old one back all goes on', async () => {
    const room = openRoom(url)
    cli('ACL', 'SETUSER', 'rotated', 'reset', 'on', '>old', '~*', '&*', '+@all')
    const driver = await room.connected({ auth: { username: 'rotated', password: 'old' } })
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    cli('ACL', 'SETUSER', 'rotated', 'resetpass', '>new')
    cli('CLIENT', 'KILL', 'USER', 'rotated')
    await until(() => driver.states.length >= 3)
    await quiet(500)
    expect(driver.states.slice(1)).toMatchObject([
      { kind: 'reconnecting', error: { code: 'CONNECTION_LOST' } },
      { kind: 'reconnecting', error: { code: 'CONNECT', message: expect.stringMatching(/WRONGPASS/) } },
    ])
    cli('ACL', 'SETUSER', 'rotated', '>old')
    const sent = messages(room.topic, 3)
    await driver.publish(sent)
    await group.nth(3)
    await until(() => group.states.at(-1)?.kind === 'consuming' && driver.states.at(-1)?.kind === 'connected')
  }, 60_000)
})
