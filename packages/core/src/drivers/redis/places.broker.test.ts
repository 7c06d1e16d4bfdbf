import { broker } from '@corebus/testbed'
import { afterAll, describe, expect, test } from 'vitest'
import type { SubscriptionState } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { newId } from '../../wire/id.ts'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'

// FLUSHALL takes everybody's.
const running = await broker('redis', { own: true })
afterAll(() => running?.stop())
const url = running?.url ?? ''

const noticesIn = (states: readonly SubscriptionState[]) =>
  states.flatMap((state) => (state.kind === 'consuming' && state.notice instanceof CorebusError ? [state.notice.code] : []))

describe.skipIf(!running)('places on Redis', () => {
  test('all of a topic lies under its name, and what is not documented is not there', async () => {
    const room = openRoom(url)
    const driver = await room.connected({ prefix: 'shop.' })
    const group = await member(driver, { topics: [room.topic] })
    await driver.publish(messages(room.topic, 3))
    const [one, two] = [await group.nth(1), await group.nth(2)]
    await group.settle([{ kind: 'retry', delivery: one, headers: {}, afterMs: 60_000 }])
    await group.settle([{ kind: 'deadLetter', delivery: two, headers: {} }])
    const { ask } = await room.bare()
    const keys = (await ask('KEYS', '*')) as string[]
    const name = `shop.${room.topic}`
    expect(keys.filter((key) => key.includes(room.topic)).sort()).toEqual(
      [
        name,
        `{${name}}:dead:${name}.g.dlq`,
        `{${name}}:declared`,
        ...['again', 'delayed', 'members', 'state', 'waiting'].map((what) => `{${name}}:group:g:${what}`),
      ].sort(),
    )
    expect(await ask('SISMEMBER', 'shop.corebus:topics', room.topic)).toBe(1)
  })

  test('a deleted group is made anew and said, and begins where it was; the other topics of the group go on', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const [one, two] = [`${room.topic}-1`, `${room.topic}-2`]
    const group = await member(driver, { topics: [one, two] })
    await driver.publish([...messages(one, 1), ...messages(two, 1)])
    await group.nth(2)
    const { ask } = await room.bare()
    await ask('XGROUP', 'DESTROY', one, 'g')
    await until(() => group.states.at(-1)?.kind === 'consuming' && group.states.length === 3)
    expect(group.states[1]).toMatchObject({ kind: 'reconnecting', error: { code: 'GROUP_GONE', message: expect.stringContaining(one) } })
    expect(group.lost.map(({ message }) => message.topic)).toEqual([one])
    // What was not settled comes again.
    await group.nth(3)
    expect(group.ids()[2]).toBe(group.lost[0]?.message.id)
    await group.ack(...group.deliveries)
    const more = [...messages(one, 5), ...messages(two, 5)]
    await driver.publish(more)
    await group.nth(13)
    expect(new Set(group.ids().slice(3))).toEqual(new Set(more.map(({ id }) => id)))
  })

  test('a deleted group that had settled everything does not get all of the history again', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    await member(driver, { topics: [room.topic], acknowledges: true }).then((first) =>
      driver
        .publish(messages(room.topic, 20))
        .then(() => first.nth(20))
        .then(() => until(async () => (await driver.admin.depth(room.topic, 'g')).inFlight === 0))
        .then(() => first.stop()),
    )
    // Where it was is noted when a member looks what may be deleted, first when it joins.
    const again = await member(await room.connected(), { topics: [room.topic], acknowledges: true })
    const { ask } = await room.bare()
    await until(async () => (await ask('HGET', `{${room.topic}}:group:g:state`, 'floor')) !== '0-0')
    await ask('XGROUP', 'DESTROY', room.topic, 'g')
    await until(() => again.states.length === 3)
    const [next] = messages(room.topic, 1)
    await driver.publish(next ? [next] : [])
    await again.nth(1)
    await quiet()
    expect(again.ids()).toEqual([next?.id])
  })

  test('FLUSHALL: streams and groups are made anew and said, publishers and members go on', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    await driver.publish(messages(room.topic, 3))
    await group.nth(3)
    const { ask } = await room.bare()
    await ask('FLUSHALL')
    await until(() => group.states.length === 3)
    expect(group.states.map(({ kind }) => kind)).toEqual(['consuming', 'reconnecting', 'consuming'])
    expect(group.lost.length).toBe(3)
    // The old receipts settle nothing.
    await group.ack(...group.deliveries)
    const sent = messages(room.topic, 5)
    await driver.publish(sent)
    await group.nth(8)
    expect(group.ids().slice(3)).toEqual(sent.map(({ id }) => id))
    await group.settle([{ kind: 'deadLetter', delivery: await group.nth(4), headers: {} }])
    expect((await driver.admin.deadLetters({ topic: room.topic })).letters.length).toBe(1)
    expect(await driver.admin.topics([room.topic])).toMatchObject([{ topic: room.topic, groups: ['g'] }])
  })

  test('where nothing may be made, a stream that was deleted is missed at start, and stays away while it is read and published to', async () => {
    const room = openRoom(url)
    const { ask } = await room.bare()
    const { topic } = room
    const before = await room.connected()
    await member(before, { topics: [topic] })
    await before.close()
    const driver = await room.connected()
    const group = await member(driver, { topics: [topic], mode: 'check' })
    await ask('DEL', topic)
    await until(() => group.states.at(-1)?.kind === 'reconnecting')
    const refused = { failures: [{ permanent: true, cause: { code: 'TOPOLOGY', message: expect.stringContaining(topic) } }] }
    // The first finds out on its way, the next one before.
    await expect(driver.publish(messages(topic, 1))).rejects.toMatchObject(refused)
    await expect(driver.publish(messages(topic, 1))).rejects.toMatchObject(refused)
    await until(() => group.states.some((state) => state.kind === 'reconnecting' && (state.error as { code?: string }).code === 'TOPOLOGY'))
    const wanted = { topics: [topic], groups: [] }
    expect(await (await room.connected()).ensure(wanted, 'check')).toEqual([
      { what: `topic ${topic}`, wanted: 'declared', found: 'missing' },
    ])
    expect(await ask('EXISTS', topic)).toBe(0)
    await (await room.connected()).ensure(wanted, 'create')
    await driver.publish(messages(topic, 1))
    await group.nth(1)
    await until(() => group.states.at(-1)?.kind === 'consuming')
  })

  test('entries that were deleted before anybody had settled them are counted and said', async () => {
    const room = openRoom(url)
    const first = await room.connected()
    const holder = await member(first, { topics: [room.topic] })
    const driver = await room.connected()
    await driver.publish(messages(room.topic, 5))
    await holder.nth(5)
    await first.close()
    const { ask } = await room.bare()
    await ask('XTRIM', room.topic, 'MAXLEN', '2')
    const next = await member(driver, { topics: [room.topic], acknowledges: true })
    await next.nth(2)
    await until(() => next.states.length === 2)
    expect(next.states).toMatchObject([
      { kind: 'consuming' },
      { kind: 'consuming', notice: { code: 'MESSAGES_DELETED', message: expect.stringMatching(/^3 messages/) } },
    ])
    await until(async () => (await driver.admin.depth(room.topic, 'g')).inFlight === 0)
    expect(await driver.admin.depth(room.topic, 'g')).toMatchObject({ ready: 0, inFlight: 0 })
  })

  test('a message that is deleted while it is handled is retried and dead-lettered all the same', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    const sent = messages(room.topic, 2)
    await driver.publish(sent)
    await group.nth(2)
    const { ask } = await room.bare()
    await ask('XTRIM', room.topic, 'MAXLEN', '0')
    const [one, two] = group.deliveries
    if (!one || !two) throw new Error('no deliveries')
    await group.settle([
      { kind: 'retry', delivery: one, headers: {}, afterMs: 50 },
      { kind: 'deadLetter', delivery: two, headers: {} },
    ])
    const again = await group.nth(3)
    expect([again.message.id, String(again.message.body)]).toEqual([sent[0]?.id, String(sent[0]?.body)])
    const [letter] = (await driver.admin.deadLetters({ topic: room.topic })).letters
    expect(String(letter?.message.body)).toBe(String(sent[1]?.body))
  })

  test('what every group has settled goes after its time, and nothing that one has not', async () => {
    const room = openRoom(url)
    const driver = await room.connected({ tuning: { keepMs: 0 } })
    const { ask } = await room.bare()
    const fast = await member(driver, { topics: [room.topic], group: 'fast', acknowledges: true, limit: 1_000 })
    const slow = await member(driver, { topics: [room.topic], group: 'slow', limit: 350 })
    await driver.publish(messages(room.topic, 1_000))
    await fast.nth(1_000)
    await slow.nth(350)
    // The slow one has settled all but one of its first 350.
    await slow.ack(...slow.deliveries.slice(0, 120), ...slow.deliveries.slice(121, 350))
    await until(async () => (await driver.admin.depth(room.topic, 'fast')).inFlight === 0)
    const joined = await member(await room.connected({ tuning: { keepMs: 0 } }), { topics: [room.topic], group: 'fast' })
    await until(async () => Number(await ask('XLEN', room.topic)) < 1_000)
    const kept = Number(await ask('XLEN', room.topic))
    expect(kept).toBeGreaterThanOrEqual(1_000 - 120)
    const [oldest] = (await ask('XRANGE', room.topic, '-', '+', 'COUNT', '1')) as [[string, string[]]]
    expect(oldest[1][oldest[1].indexOf('corebus-id') + 1]).not.toBe(slow.deliveries[0]?.message.id)
    await joined.stop()
  })

  test('a topic that nobody reads takes so many and no more, and says so; with its first group it goes on', async () => {
    const room = openRoom(url)
    const driver = await room.connected({ tuning: { unclaimedMessages: 10_500 } })
    await driver.publish(messages(room.topic, 10_000))
    await driver.publish(messages(room.topic, 1_000))
    await until(async () => {
      const refused = await driver.publish(messages(room.topic, 1)).catch((error: unknown) => error)
      return refused !== undefined && String(refused).includes('nobody reads')
    })
    await expect(driver.publish(messages(room.topic, 1))).rejects.toMatchObject({
      failures: [{ permanent: false, cause: { code: 'TOPIC_FULL' } }],
    })
    const group = await member(await room.connected(), { topics: [room.topic], limit: 1_000, acknowledges: true })
    await group.nth(11_000)
    await until(async () => (await driver.publish(messages(room.topic, 1)).catch(() => 'refused')) === undefined)
  }, 60_000)

  test('many members that begin at once on what does not exist yet all work, whoever makes it', async () => {
    const room = openRoom(url)
    const drivers = await Promise.all(Array.from({ length: 6 }, () => room.connected()))
    const group = await Promise.all(drivers.map((driver) => member(driver, { topics: [room.topic], acknowledges: true, limit: 5 })))
    const sent = messages(room.topic, 200)
    await drivers[0]?.publish(sent)
    await until(() => group.reduce((sum, { deliveries }) => sum + deliveries.length, 0) >= 200)
    expect(new Set(group.flatMap(({ ids }) => ids()))).toEqual(new Set(sent.map(({ id }) => id)))
  })

  test('two members under the same limit of 1 get one each, also with retries beside what is new', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], limit: 1 })
    await driver.publish(messages(room.topic, 20))
    let most = 0
    for (let n = 1; n <= 30; n++) {
      const delivery = await group.nth(n)
      const depth = await driver.admin.depth(room.topic, 'g')
      most = Math.max(most, depth.inFlight ?? 0)
      await group.settle([n <= 10 ? { kind: 'retry', delivery, headers: {}, afterMs: 0 } : { kind: 'ack', delivery }])
    }
    expect(most).toBe(1)
    expect(new Set(group.ids()).size).toBe(20)
  })

  test('what a connection was handed and did not live to tell comes to the same member, uncounted', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    const { ask } = await room.bare()
    const [name] = (await ask('ZRANGE', `{${room.topic}}:group:g:members`, '0', '-1')) as [string]
    // As if it had been its own read, whose answer is lost.
    const id = await ask('XADD', room.topic, '*', 'body', '{}', 'corebus-id', newId())
    await ask('XREADGROUP', 'GROUP', 'g', name, 'STREAMS', room.topic, '>').catch(() => {})
    const delivery = await group.nth(1)
    expect(delivery.unsettledBefore).toBe(0)
    await group.ack(delivery)
    expect(await ask('XPENDING', room.topic, 'g', String(id), String(id), '1')).toEqual([])
  })

  test('what a dead member of ours left is taken over', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], limit: 1 })
    await driver.publish(messages(room.topic, 2))
    await group.nth(1)
    const { ask } = await room.bare()
    await ask('XREADGROUP', 'GROUP', 'g', 'corebus:somebody', 'STREAMS', room.topic, '>')
    await group.ack(...group.deliveries)
    const second = await group.nth(2)
    expect(second.unsettledBefore).toBe(1)
  })

  test('what a consumer of another client holds in a group of ours is left to it and said; claimed for ~ it is handled', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], limit: 1 })
    await driver.publish(messages(room.topic, 3))
    await group.nth(1)
    const { ask } = await room.bare()
    await ask('XREADGROUP', 'GROUP', 'g', 'somebody', 'STREAMS', room.topic, '>')
    const theirs = async () => ((await ask('XPENDING', room.topic, 'g', '-', '+', '10', 'somebody')) as [string][]).map(([id]) => id)
    const held = await theirs()
    expect(held.length).toBe(2)
    await group.ack(...group.deliveries)
    // The group is ours: who starts now comes in all the same, and says it too.
    const second = await member(await room.connected(), { topics: [room.topic], limit: 1 })
    await until(() => [group, second].every(({ states }) => noticesIn(states).length === 1))
    expect(noticesIn(group.states)).toEqual(['GROUP_FOREIGN'])
    await quiet(1_500)
    expect(await theirs()).toEqual(held)
    expect(await driver.admin.depth(room.topic, 'g')).toMatchObject({ ready: 0, inFlight: 2 })
    expect([group, second].map(({ states }) => noticesIn(states).length)).toEqual([1, 1])
    await second.stop()
    await ask('XCLAIM', room.topic, 'g', '~', '0', ...held)
    await group.ack(await group.nth(2))
    await group.ack(await group.nth(3))
    await until(async () => (await driver.admin.depth(room.topic, 'g')).inFlight === 0)
  })

  test('a refused start leaves nothing behind', async () => {
    const room = openRoom(url)
    const { ask } = await room.bare()
    await ask('XADD', room.topic, '*', 'body', '{}')
    await ask('XGROUP', 'CREATE', room.topic, 'g', '0')
    await ask('XREADGROUP', 'GROUP', 'g', 'somebody', 'STREAMS', room.topic, '>')
    const driver = await room.connected()
    await expect(member(driver, { topics: [room.topic] })).rejects.toMatchObject({
      code: 'GROUP_FOREIGN',
      message: expect.stringMatching(
        /^group g cannot be joined: other clients are members .*somebody.* 1 messages.*give this one another name.*shared: true/,
      ),
    })
    expect(((await ask('KEYS', '*')) as string[]).filter((key) => key.includes(room.topic))).toEqual([room.topic])
    expect(await ask('SISMEMBER', 'corebus:topics', room.topic)).toBe(0)
  })

  test('a retry that cannot be moved keeps no other waiting, and is said; one that was deleted is said too', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    await driver.publish(messages(room.topic, 3))
    await group.nth(3)
    const { ask } = await room.bare()
    const [delayed, waiting] = ['delayed', 'waiting'].map((what) => `{${room.topic}}:group:g:${what}`) as [string, string]
    const retries = group.deliveries.map((delivery) => ({ kind: 'retry' as const, delivery, headers: {}, afterMs: 300 }))
    await group.settle(retries)
    const [one, two] = (await ask('ZRANGE', delayed, '0', '-1')) as [string, string]
    await ask('HSET', waiting, one, 'not what we wrote')
    await ask('HDEL', waiting, two)
    await group.nth(4)
    await until(() => noticesIn(group.states).length === 2)
    expect(noticesIn(group.states).sort()).toEqual(['MESSAGES_DELETED', 'RETRY_STUCK'])
    // It stays, and is tried again.
    expect(await ask('ZRANGE', delayed, '0', '-1')).toEqual([one])
    expect(await ask('HGET', waiting, one)).toBe('not what we wrote')
  })

  test('a stream that is deleted while it is published to is made again as ours, also by a message with more fields than a script can write', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    await driver.publish(messages(room.topic, 1))
    const { ask, entries } = await room.bare()
    await ask('DEL', room.topic, `{${room.topic}}:declared`)
    const headers = Object.fromEntries(Array.from({ length: 4_500 }, (_, n) => [`h${n}`, 'v']))
    const sent = messages(room.topic, 3).map((message, n) => (n === 1 ? { ...message, headers } : message))
    await driver.publish(sent)
    const ids = (await entries(room.topic)).map(({ fields }) =>
      String(fields[fields.findIndex((field) => String(field) === 'corebus-id') + 1]),
    )
    expect(ids).toEqual(sent.map(({ id }) => id))
    expect(await ask('HGET', `{${room.topic}}:declared`, 'made')).toBe('ours')
  })

  test('what others made under a name of ours is theirs: after a stream of ours was deleted, after theirs was, and where we may not make one', async () => {
    const room = openRoom(url)
    const { ask } = await room.bare()
    const old = Date.now() - 3 * 24 * 60 * 60_000
    const theirs = async (topic: string) => {
      for (let n = 1; n <= 300; n++) await ask('XADD', topic, `${old}-${n}`, 'body', '{}')
    }
    const [deleted, remade, refused] = ['deleted', 'remade', 'refused'].map((what) => `${what}-${room.topic}`) as [string, string, string]
    const tuning = { keepMs: 1 }

    await (await room.connected()).publish(messages(deleted, 1))
    await ask('DEL', deleted)
    await theirs(deleted)

    await theirs(remade)
    const before = await member(await room.connected({ tuning }), { topics: [remade], group: 'before', acknowledges: true, limit: 1_000 })
    await before.nth(300)
    await ask('DEL', remade)
    await until(() => before.states.some(({ kind }) => kind === 'reconnecting') && before.states.at(-1)?.kind === 'consuming')
    await before.stop()
    await theirs(remade)

    await ask('ACL', 'SETUSER', 'reads', 'reset', 'on', '>secret', '~*', '&*', '+@all', '-xadd')
    const reads = await room.connected({ auth: { username: 'reads', password: 'secret' } })
    await expect(reads.ensure({ topics: [refused], groups: [] }, 'create')).rejects.toMatchObject({ code: 'ACCESS_REFUSED' })
    await theirs(refused)

    for (const topic of [deleted, remade, refused]) {
      const group = await member(await room.connected({ tuning }), { topics: [topic], acknowledges: true, limit: 1_000 })
      await group.nth(300)
      await group.stop()
      const again = await member(await room.connected({ tuning }), { topics: [topic] })
      await quiet(100)
      await again.stop()
      expect([topic, await ask('XLEN', topic)]).toEqual([topic, 300])
    }
  })

  test('what a dead consumer of an earlier build held is taken over, also once its membership was ended; a name like theirs alone makes nobody ours', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], limit: 1 })
    await driver.publish(messages(room.topic, 5))
    await group.nth(1)
    const { ask } = await room.bare()
    const [dead, foreign] = ['host-12-0a1b2c3d', 'billing-4711-0a1b2c3d']
    await ask('ZADD', `{${room.topic}}:group:g:members`, '1', dead)
    await ask('XREADGROUP', 'GROUP', 'g', dead, 'COUNT', '2', 'STREAMS', room.topic, '>')
    await ask('XREADGROUP', 'GROUP', 'g', foreign, 'COUNT', '2', 'STREAMS', room.topic, '>')
    for (let n = 1; n <= 3; n++) await group.ack(await group.nth(n))
    await quiet(1_500)
    expect(group.deliveries.length).toBe(3)
    expect(await ask('XPENDING', room.topic, 'g')).toMatchObject([2, expect.anything(), expect.anything(), [[foreign, '2']]])
    expect(await ask('HEXISTS', `{${room.topic}}:group:g:state`, `ended:${dead}`)).toBe(0)
  })

  test('what somebody had and did not settle comes one by one, so that who waits beside it is not counted for it', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const before = await member(driver, { topics: [room.topic] })
    await before.stop()
    await driver.publish(messages(room.topic, 20))
    const { ask } = await room.bare()
    await ask('XREADGROUP', 'GROUP', 'g', 'corebus:somebody', 'STREAMS', room.topic, '>')
    const batches: number[] = []
    const subscription = await driver.subscribe({
      topics: [room.topic],
      group: 'g',
      from: 'earliest',
      exclusive: false,
      limit: 100,
      onDeliveries: (deliveries) => void batches.push(deliveries.length),
      onLost() {},
      onState() {},
    })
    await until(() => batches.reduce((sum, count) => sum + count, 0) === 20)
    expect(batches).toEqual(Array.from({ length: 20 }, () => 1))
    await subscription.stop()
  })
})
