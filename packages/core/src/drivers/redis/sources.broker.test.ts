import { spawn } from 'node:child_process'
import { broker } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createMessaging } from '../../messaging.ts'
import { newId } from '../../wire/id.ts'
import { type Bare, type Member, member, messages, openRoom, quiet, until } from './fixtures/room.ts'

const running = await broker('redis', { own: true })
afterAll(() => running?.stop())
const url = running?.url ?? ''

const THREE_DAYS_MS = 3 * 24 * 60 * 60_000

/** A stream of somebody else's with a group and a consumer that holds two entries. */
async function theirs({ ask }: Bare, stream: string, count = 20): Promise<void> {
  const begunAt = Date.now() - THREE_DAYS_MS
  for (let n = 1; n <= count; n++) await ask('XADD', stream, `${begunAt}-${n}`, 'n', String(n))
  await ask('XGROUP', 'CREATE', stream, 'py', '0')
  await ask('XREADGROUP', 'GROUP', 'py', 'py1', 'COUNT', '2', 'STREAMS', stream, '>')
}

/** All that belongs to them: entries, the group and who has what in it. Times since an entry was handed out go on by themselves. */
async function picture({ ask }: Bare, stream: string, group = 'py'): Promise<unknown> {
  const groups = (await ask('XINFO', 'GROUPS', stream)) as string[][]
  const pending = (await ask('XPENDING', stream, group, '-', '+', '100')) as string[][]
  const consumers = (await ask('XINFO', 'CONSUMERS', stream, group)) as string[][]
  return {
    entries: await ask('XRANGE', stream, '-', '+'),
    group: groups.find((one) => one.includes(group))?.slice(0, 8),
    pending: pending.map(([id, consumer, , times]) => [id, consumer, times]),
    consumers: consumers.map((one) => one.slice(0, 4)),
  }
}

const keysBeside = async ({ ask }: Bare, name: string) => ((await ask('KEYS', '*')) as string[]).filter((key) => key.includes(name)).sort()

describe.skipIf(!running)('a stream of others on Redis', () => {
  test.each(['shop:orders', 'a{b', '{eu}:orders', 'x}y{'])(
    'is read by its key, %s, in a group of ours; retries and letters lie beside it',
    async (name) => {
      const room = openRoom(url)
      const bare = await room.bare()
      const stream = `${name}:${newId()}`
      await theirs(bare, stream, 3)
      const before = await picture(bare, stream)
      const driver = await room.connected()
      const group = await member(driver, { topics: [room.topic], source: { stream } })
      const [one, two] = [await group.nth(1), await group.nth(2)]
      expect([one.message.topic, JSON.parse(String(one.message.body))]).toEqual([room.topic, { n: '1' }])
      await group.settle([
        { kind: 'retry', delivery: one, headers: { 'corebus-attempt': '2' }, afterMs: 30 },
        { kind: 'deadLetter', delivery: two, headers: {} },
      ])
      const again = await group.nth(4)
      expect([again.message.id, again.message.headers]).toEqual([one.message.id, { 'corebus-attempt': '2' }])
      // Another process, that was told nothing.
      const other = await room.connected()
      expect(await other.admin.depth(room.topic, 'g')).toMatchObject({ ready: 0, inFlight: 2, dead: 1, members: 1 })
      expect(await other.admin.topics([room.topic])).toEqual([{ topic: room.topic, groups: ['g'] }])
      const { letters } = await other.admin.deadLetters({ topic: room.topic })
      expect(letters.map(({ message, place }) => [message.id, place])).toEqual([[two.message.id, `${room.topic}.g.dlq`]])
      expect(await other.admin.replay({ topic: room.topic }, {})).toBe(1)
      expect((await group.nth(5)).message.id).toBe(two.message.id)
      expect((await other.admin.unsettled?.(room.topic, 'g', { limit: 10 }))?.length).toBe(3)
      await group.stop()
      await driver.close()
      expect(await other.admin.removeGroup(room.topic, 'g')).toBe(true)
      expect(await other.admin.depth(room.topic, 'g')).toMatchObject({ delayed: 0, inFlight: 0, dead: 0 })
      expect(await picture(bare, stream)).toEqual(before)
      expect(((await bare.ask('XINFO', 'GROUPS', stream)) as unknown[]).length).toBe(1)
    },
  )

  test('is left as it was by stops, by retries and letters, and by a process that is killed', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const stream = `shop:orders:${newId()}`
    await theirs(bare, stream)
    const before = await picture(bare, stream)
    const source = { stream }
    for (let life = 1; life <= 2; life++) {
      const driver = await room.connected({ tuning: { keepMs: 1 } })
      const group = await member(driver, { topics: [room.topic], source, limit: 5 })
      const first = await group.nth(1)
      await group.settle([{ kind: life === 1 ? 'retry' : 'deadLetter', delivery: first, headers: {}, afterMs: 0 }])
      await driver.close()
    }
    const reading = spawn(process.execPath, [new URL('./fixtures/holder.ts', import.meta.url).pathname], {
      env: { ...process.env, HOLDER: JSON.stringify({ url, topic: room.topic, stream }) },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => reading.stdout.once('data', resolve))
    reading.kill('SIGKILL')
    const last = await member(await room.connected({ tuning: { keepMs: 1 } }), {
      topics: [room.topic],
      source,
      acknowledges: true,
      limit: 100,
    })
    await until(() => new Set(last.ids()).size === 19)
    await last.stop()
    expect(await picture(bare, stream)).toEqual(before)
  })

  test('that is not there is said, in create and in check, and nothing is made; so is a key that is no stream, also to a topic', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const [missing, list] = [`shop:missing:${room.topic}`, `shop:list:${room.topic}`]
    await bare.ask('RPUSH', list, 'a')
    await bare.ask('RPUSH', room.topic, 'a')
    const before = await keysBeside(bare, '')
    const driver = await room.connected()
    for (const mode of ['create', 'check'] as const) {
      const reading = (stream: string) => member(driver, { topics: ['named'], source: { stream }, mode })
      await expect(reading(missing)).rejects.toMatchObject({ code: 'SOURCE', message: expect.stringContaining(missing) })
      await expect(reading(list)).rejects.toMatchObject({ code: 'SOURCE', message: expect.stringContaining(list) })
      const ofTopic = member(driver, { topics: ['fine', room.topic], mode })
      await expect(ofTopic).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringMatching(new RegExp(`key ${room.topic} .*no stream`)),
      })
    }
    await expect(driver.publish(messages(room.topic, 1))).rejects.toMatchObject({
      failures: [{ permanent: true, cause: { code: 'REFUSED' } }],
    })
    expect(await keysBeside(bare, '')).toEqual(before)
    // As an earlier build left it.
    await bare.ask('SADD', 'corebus:topics', room.topic)
    await (await room.connected()).publish(messages('fine-too', 1))
    const topics = await driver.admin.topics()
    expect(topics.find(({ topic }) => topic === room.topic)).toEqual({ topic: room.topic, groups: [] })
    expect(topics.find(({ topic }) => topic === 'fine-too')).toMatchObject({ kept: 1 })
  })

  test('that is deleted while it is read is not made again; once its owner has made it anew the group goes on', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const stream = `shop:orders:${newId()}`
    await theirs(bare, stream, 3)
    const group = await member(await room.connected(), { topics: [room.topic], source: { stream }, acknowledges: true })
    await group.nth(3)
    await bare.ask('DEL', stream)
    await until(() => group.states.some((state) => state.kind === 'reconnecting' && (state.error as { code?: string }).code === 'SOURCE'))
    await quiet(500)
    expect(await bare.ask('EXISTS', stream)).toBe(0)
    await bare.ask('XADD', stream, '*', 'n', '4')
    await group.nth(4)
    await until(() => group.states.at(-1)?.kind === 'consuming')
  })

  test('that its owner trims says how many were never handed out, while they are read and while nobody of ours is there; depth counts what is there', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const stream = `shop:orders:${newId()}`
    await theirs(bare, stream, 20)
    const driver = await room.connected()
    const wanted = { topics: [room.topic], source: { stream }, limit: 2 }
    const said = ({ states }: Member) =>
      states
        .flatMap((state) => (state.kind === 'consuming' && state.notice ? [state.notice.message] : []))
        .flatMap((message) => /^(\d+) messages of .* were deleted/.exec(message)?.[1] ?? [])
    const group = await member(driver, wanted)
    await group.nth(2)
    await bare.ask('XTRIM', stream, 'MAXLEN', '5')
    await until(() => said(group).join() === '13')
    expect(await driver.admin.depth(room.topic, 'g')).toMatchObject({ ready: 5, inFlight: 2 })
    for (let n = 21; n <= 30; n++) await bare.ask('XADD', stream, 'MAXLEN', '5', '*', 'n', String(n))
    await until(() => said(group).join() === '13,10')
    await group.ack(...group.deliveries)
    await group.stop()
    for (let n = 31; n <= 40; n++) await bare.ask('XADD', stream, 'MAXLEN', '5', '*', 'n', String(n))
    const next = await member(driver, { ...wanted, acknowledges: true, limit: 100 })
    await next.nth(5)
    // Those that the first had been given last it has handed back: they are counted where they are looked for.
    const sum = () => said(next).reduce((all, count) => all + Number(count), 0)
    await until(() => sum() === 10)
    await quiet(1_500)
    expect([said(group), sum()]).toEqual([['13', '10'], 10])
    expect(await driver.admin.depth(room.topic, 'g')).toMatchObject({ ready: 0, inFlight: 0 })
    // What was lost to others before we came is not ours to say.
    await bare.ask('XREADGROUP', 'GROUP', 'py', 'py1', 'COUNT', '99', 'STREAMS', stream, '>')
    const shared = await member(driver, { ...wanted, topics: ['shared'], group: 'py', shared: true })
    await quiet(1_500)
    expect(said(shared)).toEqual([])
  })

  test('that becomes another kind of key is said once, for as long as it is one, and read on when it is a stream again', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const stream = `shop:orders:${newId()}`
    await theirs(bare, stream, 3)
    const group = await member(await room.connected(), { topics: [room.topic], source: { stream }, acknowledges: true })
    await group.nth(3)
    await bare.ask('DEL', stream)
    await bare.ask('SET', stream, 'a text')
    await until(() => group.states.at(-1)?.kind === 'reconnecting')
    await quiet(3_000)
    const troubles = group.states.flatMap((state) => (state.kind === 'reconnecting' ? [state.error.message] : []))
    expect(new Set(troubles).size).toBe(1)
    expect(await bare.ask('GET', stream)).toBe('a text')
    await bare.ask('DEL', stream)
    await bare.ask('XADD', stream, '*', 'n', '4')
    await group.nth(4)
    await until(() => group.states.at(-1)?.kind === 'consuming')
  })

  test('cannot be two topics of one group', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    await theirs(bare, room.topic)
    const driver = await room.connected()
    const both = { topics: ['a', 'b'], source: { stream: room.topic } }
    await expect(member(driver, both)).rejects.toMatchObject({
      code: 'SOURCE',
      message: expect.stringContaining('as topic a and as topic b'),
    })
    await expect(member(driver, { topics: ['a'], source: { exchange: 'x' } })).rejects.toMatchObject({ code: 'SOURCE' })
    expect(await keysBeside(bare, room.topic)).toEqual([room.topic])
  })

  test('that is only published to is never trimmed, however old it is', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const old = Date.now() - 10 * THREE_DAYS_MS
    for (let n = 1; n <= 300; n++) await bare.ask('XADD', room.topic, `${old}-${n}`, 'n', String(n))
    const driver = await room.connected({ tuning: { unclaimedMessages: 100, unclaimedKeepMs: 1, keepMs: 1 } })
    for (let n = 1; n <= 3; n++) await driver.publish(messages(room.topic, 2))
    await quiet()
    expect(await bare.ask('XLEN', room.topic)).toBe(306)
  })
})

describe.skipIf(!running)('a group of others on Redis', () => {
  test('is joined with shared: true as one more consumer: what they have been given stays theirs, also what they take from us', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const stream = `shop:orders:${newId()}`
    await theirs(bare, stream, 6)
    const source = { stream }
    const driver = await room.connected()
    await expect(member(driver, { topics: [room.topic], group: 'py', source })).rejects.toMatchObject({ code: 'GROUP_FOREIGN' })
    expect(await keysBeside(bare, stream)).toEqual([stream])
    const group = await member(driver, { topics: [room.topic], group: 'py', source, shared: true, limit: 2 })
    const [one, two] = [await group.nth(1), await group.nth(2)]
    const theirPart = async () =>
      ((await bare.ask('XPENDING', stream, 'py', '-', '+', '10', 'py1')) as string[][]).map(([id, , , n]) => [id, n])
    const held = await theirPart()
    expect(held.length).toBe(2)
    // As XAUTOCLAIM does with what a slow handler has.
    const taken = String(one.message.id).split('/').at(-1) ?? ''
    await bare.ask('XCLAIM', stream, 'py', 'py1', '0', taken)
    await group.ack(one)
    await group.settle([{ kind: 'retry', delivery: two, headers: {}, afterMs: 60_000 }])
    await group.nth(4)
    await quiet(1_500)
    expect((await theirPart()).map(([id]) => id)).toEqual([...held.map(([id]) => id), taken])
    await group.ack(...group.deliveries.slice(2))
    await group.stop()
    await driver.close()
    expect((await theirPart()).length).toBe(3)
    const consumers = ((await bare.ask('XINFO', 'CONSUMERS', stream, 'py')) as string[][]).map((one) => one[1])
    expect(consumers.filter((name) => name !== '~')).toEqual(['py1'])
    // It has not become ours by that.
    const next = await room.connected()
    await expect(member(next, { topics: [room.topic], group: 'py', source })).rejects.toMatchObject({ code: 'GROUP_FOREIGN' })
    expect(await next.admin.removeGroup(room.topic, 'py')).toBe(true)
    expect((await theirPart()).length).toBe(3)
  })
})

describe.skipIf(!running)('a topic with a name of the user', () => {
  test('is the stream of that key, and made, published to, read and found by tools under it', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const key = `shop:${room.topic}`
    const driver = await room.connected({ prefix: 'p.', names: { [room.topic]: key } })
    const group = await member(driver, { topics: [room.topic] })
    await driver.publish(messages(room.topic, 2))
    await group.nth(2)
    expect(await bare.ask('XLEN', key)).toBe(2)
    expect(await bare.ask('HGET', `{${key}}:declared`, 'made')).toBe('ours')
    await group.settle([{ kind: 'deadLetter', delivery: await group.nth(1), headers: {} }])
    const other = await room.connected({ prefix: 'p.' })
    expect(await other.admin.depth(room.topic, 'g')).toMatchObject({ inFlight: 1, dead: 1 })
    expect(await other.admin.topics([room.topic])).toEqual([{ topic: room.topic, groups: ['g'], kept: 2 }])
    expect(await other.admin.replay({ topic: room.topic }, {})).toBe(1)
    await group.nth(3)
    // Called otherwise from now on: who was not told finds it there.
    const renamed = await room.connected({ prefix: 'p.', names: { [room.topic]: `${key}:new` } })
    await renamed.ensure({ topics: [room.topic], groups: [] }, 'create')
    await renamed.publish(messages(room.topic, 1))
    expect(await other.admin.topics([room.topic])).toMatchObject([{ topic: room.topic, kept: 1 }])
    expect(() => room.driver({ names: { a: 'corebus:topics' } })).toThrow(expect.objectContaining({ code: 'NAME' }))
    expect(() => room.driver({ names: { a: '' } })).toThrow(expect.objectContaining({ code: 'NAME' }))
  })

  test('that is a stream of others is not trimmed', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const key = `shop:${room.topic}`
    await theirs(bare, key, 300)
    const before = await picture(bare, key)
    const driver = await room.connected({ names: { [room.topic]: key }, tuning: { keepMs: 1, unclaimedKeepMs: 1 } })
    const group = await member(driver, { topics: [room.topic], acknowledges: true, limit: 1_000 })
    await group.nth(300)
    await group.stop()
    await (await member(await room.connected({ names: { [room.topic]: key }, tuning: { keepMs: 1 } }), { topics: [room.topic] })).stop()
    expect(await picture(bare, key)).toEqual(before)
    expect(await bare.ask('HGET', `{${key}}:declared`, 'made')).toBe('theirs')
  })
})

describe.skipIf(!running)('fields of the user', () => {
  test('are all that an entry has; retries and letters keep them, and a handler can have them as bytes', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const binary = Buffer.from([0xff, 0x00, 0xfe])
    const fields = { payload: binary, _watermill_message_uuid: 'u1', 'h:kept': 'as it is', twice: 'größer' }
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    const [message] = messages(room.topic, 1)
    if (!message) throw new Error('no message')
    await driver.publish([{ ...message, key: 'k', headers: { mine: 'x' }, fields }])
    const [entry] = await bare.entries(room.topic)
    const written = Object.entries(fields).flatMap(([name, value]) => [Buffer.from(name), Buffer.from(value)])
    expect(entry?.fields).toEqual(written)
    const first = await group.nth(1)
    const raw = driver.raw?.(first)
    expect([raw?.fields?.payload, raw?.fields?.twice]).toEqual([binary, Buffer.from('größer')])
    await group.settle([{ kind: 'retry', delivery: first, headers: { 'corebus-attempt': '2' }, afterMs: 20 }])
    const second = await group.nth(2)
    expect(driver.raw?.(second).fields).toEqual(raw?.fields)
    expect(second.message.headers).toMatchObject({ 'corebus-attempt': '2' })
    expect(second.message.body).toEqual(first.message.body)
    await group.settle([{ kind: 'deadLetter', delivery: second, headers: {} }])
    const [letter] = await bare.entries(`{${room.topic}}:dead:${room.topic}.g.dlq`)
    expect(letter?.fields.slice(0, written.length)).toEqual(written)
  })

  test('of a tombstone say beside what the user writes that it is one, which a handler and a letter have too', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    const [message] = messages(room.topic, 1)
    if (!message) throw new Error('no message')
    const tombstone = { ...message, key: 'k', body: new Uint8Array(), tombstone: true } as const
    await driver.publish([{ ...tombstone, fields: { uuid: 'u1', 'corebus-key': 'k' } }])
    const [entry] = await bare.entries(room.topic)
    expect(entry?.fields.map(String)).toEqual(['uuid', 'u1', 'corebus-key', 'k', 'corebus-tombstone', 'true'])
    const first = await group.nth(1)
    expect([first.message.tombstone, first.message.key]).toEqual([true, 'k'])
    await group.settle([{ kind: 'deadLetter', delivery: first, headers: {} }])
    const { letters } = await driver.admin.deadLetters({ topic: room.topic })
    expect(letters.map((letter) => letter.message.tombstone)).toEqual([true])
  })

  test('of an entry with a body are a key and headers in bytes too', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const binary = Buffer.from([0xff, 0x00])
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    await bare.ask('XADD', room.topic, '*', 'body', '{}', 'corebus-key', binary, 'h:avro', binary, 'h:__proto__', binary, 'beside', binary)
    const raw = driver.raw?.(await group.nth(1))
    expect(raw?.key).toEqual(binary)
    expect({ ...raw?.headers }).toMatchObject({ avro: binary, beside: binary })
    expect(Object.hasOwn(raw?.headers ?? {}, '__proto__')).toBe(true)
    expect(Object.getPrototypeOf(raw?.headers)).toBe(null)
    expect(Object.keys(raw?.fields ?? {})).toEqual(['body', 'h:avro', 'h:__proto__', 'beside'])
  })
})

describe.skipIf(!running)('a service beside what is there', () => {
  test('reads a stream of others in a group of its own and as one more consumer of theirs, and writes their fields under their key', async () => {
    const bare = await openRoom(url).bare()
    const [stream, out] = [`shop:orders:${newId()}`, `shop:out:${newId()}`]
    await theirs(bare, stream, 3)
    const messaging = createMessaging({
      ...{ broker: 'redis', url, service: 'invoices', env: {}, logger: pino({ level: 'silent' }), names: { out } },
    })
    onTestFinished(() => messaging.close())
    const [own, shared]: [string[], string[]] = [[], []]
    messaging.handle({ topic: 'own', group: 'own', from: { stream } }, ({ n }: { n: string }) => void own.push(n))
    messaging.handle({ topic: 'shared', group: 'py', from: { stream }, shared: true }, ({ n }: { n: string }) => void shared.push(n))
    await messaging.start()
    await until(() => own.length === 3 && shared.length === 1)
    expect([own.toSorted(), shared]).toEqual([['1', '2', '3'], ['3']])
    const fields = ({ body }: { body: Uint8Array }) => ({ payload: body })
    await messaging.getProducer().send('out', { id: 7 }, { fields })
    const [entry] = await bare.entries(out)
    expect(entry?.fields.map(String)).toEqual(['payload', '{"id":7}'])
  })

  test('is refused where others are in the group, and leaves nothing behind', async () => {
    const bare = await openRoom(url).bare()
    const stream = `shop:orders:${newId()}`
    await theirs(bare, stream, 3)
    const before = await keysBeside(bare, '')
    const messaging = createMessaging({ ...{ broker: 'redis', url, service: 'invoices', env: {}, logger: pino({ level: 'silent' }) } })
    onTestFinished(() => messaging.close())
    messaging.handle({ topic: 'refused', group: 'py', from: { stream } }, () => undefined)
    messaging.handle({ topic: 'fine', group: 'fine' }, () => undefined)
    await expect(messaging.start()).rejects.toMatchObject({ code: 'GROUP_FOREIGN' })
    expect(await keysBeside(bare, '')).toEqual(before)
  })
})
