import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { broker } from '@corebus/testbed'
import kafkajs from 'kafkajs'
import { afterAll, describe, expect, test } from 'vitest'
import { createTopics } from './fixtures/create-topics.ts'
import { type Bare, type Member, member, messages, openRoom, quiet, until } from './fixtures/room.ts'

const running = await broker('kafka', { own: true })
afterAll(() => running?.stop())
const url = running?.url ?? ''

/** A topic of somebody else's, with settings of its own, `count` records and a group that has read two of them. */
async function theirs({ admin, producer }: Bare, topic: string, count = 6): Promise<void> {
  const configEntries = [{ name: 'retention.ms', value: '864000000' }]
  await createTopics(admin, [{ topic, numPartitions: 1, configEntries }])
  await producer.send({ topic, messages: Array.from({ length: count }, (_, n) => ({ key: `k${n}`, value: JSON.stringify({ n }) })) })
  await admin.setOffsets({ groupId: `theirs-${topic}`, topic, partitions: [{ partition: 0, offset: '2' }] })
}

/** All that belongs to them: settings, records and what their group has committed. */
async function picture({ admin }: Bare, topic: string): Promise<unknown> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
  })
  return {
    settings: resources.flatMap(({ configEntries }) => configEntries.map(({ configName, configValue }) => [configName, configValue])),
    offsets: await admin.fetchTopicOffsets(topic),
    committed: await admin.fetchOffsets({ groupId: `theirs-${topic}`, topics: [topic] }),
  }
}

const listed = async ({ admin }: Bare) => (await admin.listTopics()).filter((topic) => !topic.startsWith('__')).sort()

async function kcat(args: readonly string[]): Promise<string> {
  return (await promisify(execFile)('kcat', ['-b', url, ...args], { timeout: 20_000 })).stdout
}

const numbers = (group: { readonly deliveries: readonly { readonly message: { readonly body: Uint8Array } }[] }) =>
  group.deliveries.map(({ message }) => JSON.parse(String(message.body)).n)

describe.skipIf(!running)('a topic of others on Kafka', () => {
  test('is read by any legal name as a topic of ours; copies lie with us, other processes find them, and nothing of it is altered', async () => {
    const { topic, group, ...room } = openRoom(url)
    const bare = await room.bare()
    const name = `db.Schema_1.${topic}-LONG`
    await theirs(bare, name)
    const before = await picture(bare, name)
    const source = { topic: name }
    for (let life = 1; life <= 2; life++) {
      const driver = await room.connected()
      const reader = await member(driver, { topics: [topic], group, source, limit: 2 })
      const first = await reader.nth(1)
      expect([first.message.topic, first.message.id]).toEqual([topic, life === 1 ? `kafka:${topic}/0/0` : first.message.id])
      await reader.settle([{ kind: life === 1 ? 'retry' : 'deadLetter', delivery: first, headers: {}, afterMs: 0 }])
      await driver.close()
    }
    const reading = spawn(process.execPath, [new URL('./fixtures/holder.ts', import.meta.url).pathname], {
      env: { ...process.env, HOLDER: JSON.stringify({ url, topic, group, name }) },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => reading.stdout.once('data', resolve))
    reading.kill('SIGKILL')
    const driver = await room.connected()
    const last = await member(driver, { topics: [topic], group, source, acknowledges: true })
    const other = await room.connected()
    await until(async () => (await other.admin.depth(topic, group)).ready === 0)
    expect(await other.admin.depth(topic, group)).toMatchObject({ ready: 0, dead: 1, members: 1 })
    expect(await other.admin.topics([topic])).toEqual([{ topic, groups: [group] }])
    const { letters } = await other.admin.deadLetters({ topic, group })
    expect(letters.length).toBe(1)
    const count = last.deliveries.length
    expect(await other.admin.replay({ topic, group }, {})).toBe(1)
    expect((await last.nth(count + 1)).message.id).toBe(letters[0]?.message.id)
    const seen: string[] = []
    const tail = await other.tail({ topic, from: 'earliest', onMessages: (given) => seen.push(...given.map(({ body }) => String(body))) })
    await until(() => seen.length === 6)
    await tail.stop()
    await last.stop()
    await driver.close()
    expect(await other.admin.removeGroup(topic, group)).toBe(true)
    expect(await picture(bare, name)).toEqual(before)
    expect(await listed(bare)).not.toContain(topic)
  }, 60_000)

  test('that is not there is said, in create and in check, and nothing is made, also once it has gone', async () => {
    const { topic, group, ...room } = openRoom(url)
    const bare = await room.bare()
    const before = await listed(bare)
    const driver = await room.connected()
    for (const mode of ['create', 'check'] as const) {
      const reading = member(driver, { topics: [topic], group, source: { topic: `not-${topic}` }, mode })
      await expect(reading).rejects.toMatchObject({ code: 'SOURCE', message: expect.stringContaining(`not-${topic}`) })
    }
    await expect(member(driver, { topics: ['a', 'b'], group, source: { topic: `not-${topic}` } })).rejects.toMatchObject({
      code: 'SOURCE',
      message: expect.stringContaining('as topic a and as topic b'),
    })
    await expect(member(driver, { topics: [topic], group, source: { stream: 'x' } })).rejects.toMatchObject({ code: 'SOURCE' })
    expect(await listed(bare)).toEqual(before)
    const name = `gone-${topic}`
    await theirs(bare, name, 1)
    const reader = await member(driver, { topics: [topic], group, source: { topic: name }, acknowledges: true })
    await reader.nth(1)
    await bare.admin.deleteTopics({ topics: [name] })
    await until(() => reader.states.some(({ kind }) => kind === 'reconnecting'))
    await quiet(2_000)
    expect(await listed(bare)).not.toContain(name)
  }, 60_000)

  test.each(['kcat', 'kafkajs'])(
    'a group that %s has left is gone on with where it had come to',
    async (client) => {
      const { topic, group, ...room } = openRoom(url)
      const bare = await room.bare()
      const name = `migrated-${topic}`
      await theirs(bare, name)
      if (client === 'kcat') {
        // It ends after three records, and commits them as it goes.
        const read = await kcat(['-G', group, '-c', '3', '-q', '-X', 'auto.offset.reset=earliest', name])
        expect(read.trim().split('\n').length).toBe(3)
      } else {
        const consumer = bare.kafka.consumer({ groupId: group })
        await consumer.connect()
        await consumer.subscribe({ topic: name, fromBeginning: true })
        let read = 0
        await consumer.run({
          autoCommit: false,
          eachMessage: async ({ message: { offset } }) => {
            if (++read <= 3) await consumer.commitOffsets([{ topic: name, partition: 0, offset: String(Number(offset) + 1) }])
          },
        })
        await until(() => read === 6)
        await consumer.disconnect()
      }
      const reader = await member(await room.connected(), { topics: [topic], group, source: { topic: name }, acknowledges: true })
      await reader.nth(3)
      await quiet()
      expect(numbers(reader)).toEqual([3, 4, 5])
    },
    60_000,
  )

  test('what its owner let go before the group had come so far is said, and so is a position behind its end', async () => {
    const { topic, group, ...room } = openRoom(url)
    const bare = await room.bare()
    const name = `cut-${topic}`
    await theirs(bare, name, 10)
    await bare.admin.setOffsets({ groupId: group, topic: name, partitions: [{ partition: 0, offset: '2' }] })
    await bare.admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '6' }] })
    const wanted = { topics: [topic], group, source: { topic: name }, acknowledges: true }
    const said = ({ states }: Member) => states.flatMap((state) => (state.kind === 'consuming' && state.notice ? [state.notice] : []))
    const driver = await room.connected()
    const first = await member(driver, wanted)
    await first.nth(4)
    await until(() => said(first).length === 1)
    expect(said(first)).toMatchObject([
      { code: 'MESSAGES_DELETED', message: expect.stringMatching(/^up to 4 messages .* from offset 2, begins at 6/) },
    ])
    await first.stop()
    await driver.close()
    const again = await member(await room.connected(), wanted)
    await quiet()
    expect([again.deliveries.length, said(again)]).toEqual([0, []])
    await again.stop()
    await until(async () => (await bare.admin.describeGroups([group])).groups[0]?.members.length === 0)
    await bare.admin.setOffsets({ groupId: group, topic: name, partitions: [{ partition: 0, offset: '50' }] })
    const behind = await member(await room.connected(), wanted)
    await behind.nth(4)
    await until(() => said(behind).length === 1)
    expect(said(behind)).toMatchObject([{ code: 'OFFSET_GONE', message: expect.stringMatching(/offset 50 .* ends at 10/) }])
  }, 60_000)

  test.each([false, true])(
    'a group with other clients is refused, also with shared: %s, before anything is made',
    async (shared) => {
      const { topic, group, ...room } = openRoom(url)
      const bare = await room.bare()
      const name = `held-${topic}`
      await theirs(bare, name)
      const consumer = bare.kafka.consumer({ groupId: group })
      await consumer.connect()
      await consumer.subscribe({ topic: name })
      const joined = new Promise<void>((resolve) => void consumer.on(consumer.events.GROUP_JOIN, () => resolve()))
      await consumer.run({ eachMessage: async () => {} })
      await joined
      const before = await listed(bare)
      const reading = member(await room.connected(), { topics: [topic], group, source: { topic: name }, shared })
      await expect(reading).rejects.toMatchObject({ code: 'GROUP_FOREIGN', message: /another name.*shared: true does not help/ })
      expect(await listed(bare)).toEqual(before)
      await consumer.disconnect()
    },
    60_000,
  )
})

describe.skipIf(!running)('a topic with a name of the user', () => {
  test('is called so on the broker, for publishing and reading, and found by tools', async () => {
    const { topic, group, ...room } = openRoom(url)
    const bare = await room.bare()
    const name = `Contracts.${topic}`
    const driver = await room.connected({ prefix: 'p-', names: { [topic]: name } })
    const reader = await member(driver, { topics: [topic], group })
    await driver.publish(messages(topic, 2))
    await reader.nth(2)
    expect((await bare.read(name)).length).toBe(2)
    await reader.settle([{ kind: 'deadLetter', delivery: await reader.nth(1), headers: {} }])
    const other = await room.connected({ prefix: 'p-' })
    expect(await other.admin.topics([topic])).toEqual([{ topic, groups: [group] }])
    expect(await other.admin.depth(topic, group)).toMatchObject({ dead: 1, members: 1 })
    for (const wrong of ['shop:orders', '', '..', 'x'.repeat(250), 'corebus.clock'])
      expect(() => room.driver({ names: { a: wrong } })).toThrow(
        expect.objectContaining({ code: 'NAME', message: expect.stringContaining('names.a') }),
      )
  })
})

describe.skipIf(!running)('a group that keeps nothing', () => {
  test('needs the topic alone; what is to come again comes from its member, and what was not done stays with the group', async () => {
    const { topic, group, ...room } = openRoom(url)
    const bare = await room.bare()
    await theirs(bare, topic, 3)
    const before = await listed(bare)
    const wanted = { topics: [topic], group, delays: [], deadLetter: false, mode: 'check', limit: 1 } as const
    const driver = await room.connected()
    const reader = await member(driver, wanted)
    const first = await reader.nth(1)
    expect(first.original).toBe(true)
    await reader.settle([{ kind: 'retry', delivery: first, headers: { 'corebus-snoozes': '1' }, afterMs: 100 }])
    const again = await reader.nth(2)
    expect([again.message.id, again.message.headers, again.original, again.unsettledBefore]).toEqual([
      first.message.id,
      { 'corebus-snoozes': '1' },
      false,
      0,
    ])
    await reader.ack(again)
    await reader.settle([{ kind: 'retry', delivery: await reader.nth(3), headers: {}, afterMs: 60_000 }])
    await reader.stop()
    await driver.close()
    const next = await member(await room.connected(), { ...wanted, acknowledges: true })
    await next.nth(2)
    expect([numbers(next), next.deliveries.map(({ unsettledBefore }) => unsettledBefore)]).toEqual([
      [1, 2],
      [0, 0],
    ])
    expect(await listed(bare)).toEqual(before)
  }, 60_000)
})

describe.skipIf(!running)('a record as it is on the broker', () => {
  test('has its key and headers in bytes, also as a copy and as a letter that was put back', async () => {
    const { topic, group, ...room } = openRoom(url)
    const { producer } = await room.bare()
    const driver = await room.connected()
    const reader = await member(driver, { topics: [topic], group })
    // As Confluent's serializers write a key: a zero, the number of its schema, and Avro.
    const key = Buffer.of(0, 0, 0, 0, 1, 0xff, 0xfe)
    const headers = { avro: key, twice: ['one', 'two'], text: 'ü', ['__proto__']: 'p' }
    await producer.send({ topic, messages: [{ key, value: '{}', headers }] })
    const first = await reader.nth(1)
    const raw = driver.raw?.(first)
    expect(raw?.key).toEqual(key)
    expect({ ...raw?.headers }).toMatchObject({ avro: key, twice: Buffer.from('two'), text: Buffer.from('ü') })
    expect(Object.getPrototypeOf(raw?.headers)).toBe(null)
    expect(driver.raw?.({ ...first, receipt: undefined })).toEqual({ headers: {} })
    await reader.settle([{ kind: 'deadLetter', delivery: first, headers: { 'corebus-error': 'no' } }])
    expect(await driver.admin.replay({ topic, group }, {})).toBe(1)
    const again = driver.raw?.(await reader.nth(2))
    expect([again?.key, again?.headers.avro]).toEqual([key, key])
    expect(Object.keys(again?.headers ?? {})).not.toContain('corebus-origin')
  })
})
