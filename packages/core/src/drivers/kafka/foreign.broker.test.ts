import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { broker, kafkaJars } from '@corebus/testbed'
import kafkajs, { type KafkaMessage } from 'kafkajs'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createMessaging } from '../../messaging.ts'
import { HEADER } from '../../wire/headers.ts'
import { createTopics } from './fixtures/create-topics.ts'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'
import { decompressSnappy } from './protocol/snappy.ts'

const running = await broker('kafka')
afterAll(() => running?.stop())
const url = running?.url ?? ''

const CODECS = ['gzip', 'snappy', 'lz4', 'zstd']

/** Without what is ours. */
function theirs({ key, value, headers = {} }: KafkaMessage): unknown {
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith('corebus-'))
  return { key, value, headers: Object.fromEntries(kept) }
}

async function kcat(args: readonly string[], input = ''): Promise<string> {
  const run = promisify(execFile)('kcat', ['-b', url, ...args], { timeout: 20_000 })
  run.child.stdin?.end(input)
  return (await run).stdout
}

/** A tool of Kafka's own. */
async function java(tool: string, args: readonly string[], input = ''): Promise<string> {
  const all = ['-cp', `${await kafkaJars()}/*`, tool, '--bootstrap-server', url, ...args]
  const run = promisify(execFile)('java', all, { timeout: 60_000 })
  run.child.stdin?.end(input)
  return (await run).stdout
}

describe.skipIf(!running)('foreign clients', () => {
  test('a foreign message keeps all it has through retry, dead letter and replay, in its partition', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected()
    const member1 = await member(driver, { topics: [topic], group })
    const { producer, read } = await room.bare()
    const key = Buffer.of(0x66, 0xff, 0x6f)
    const value = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const headers = { text: 'ü → 鍵', twice: ['one', 'two'], bytes: Buffer.of(0xff, 0x00, 0xfe) }
    await producer.send({ topic, messages: [{ key, value, headers, timestamp: '1000000000000' }] })
    const [original] = await read(topic)
    if (!original) throw new Error('nothing was written')

    const first = await member1.nth(1)
    expect(first.message).toMatchObject({ topic, key: 'f\uFFFDo', headers: { text: 'ü → 鍵', twice: 'two' } })
    // Known by where it lies, and by that again.
    expect(first.message.id).toBe(`kafka:${topic}/${original.partition}/${original.offset}`)
    await member1.settle([{ kind: 'retry', delivery: first, headers: { [HEADER.attempt]: '2' }, afterMs: 100 }])
    const second = await member1.nth(2)
    expect([second.message.id, second.message.headers[HEADER.attempt]]).toEqual([first.message.id, '2'])
    await member1.settle([{ kind: 'deadLetter', delivery: second, headers: { [HEADER.error]: 'no' } }])

    const [letter] = (await driver.admin.deadLetters({ topic })).letters
    expect(letter?.message).toMatchObject({ id: first.message.id, key: 'f\uFFFDo', headers: { text: 'ü → 鍵', [HEADER.error]: 'no' } })
    expect(await driver.admin.replay({ topic }, { [HEADER.attempt]: '1' })).toBe(1)
    const third = await member1.nth(3)
    expect(third.message.headers[HEADER.attempt]).toBe('1')
    await member1.ack(third)

    // Read by somebody who has never heard of us.
    const copies = await read(`corebus.again.${topic}.${group}`)
    expect(copies).toHaveLength(2)
    for (const copy of copies) expect([theirs(copy), copy.partition]).toEqual([theirs(original), original.partition])
  })

  test('kcat publishes to a handler, and reads our layout: body and key as they are, the rest in headers', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected()
    const reader = await member(driver, { topics: [topic], group, acknowledges: true })
    // Left alone, librdkafka chooses partitions in another way than Java's client does.
    await kcat(['-P', '-t', topic, '-k', 'k1', '-H', 'source=kcat', '-X', 'topic.partitioner=murmur2_random'], '{"n":1}')
    const { message } = await reader.nth(1)
    expect([message.key, message.headers.source, Buffer.from(message.body).toString()]).toEqual(['k1', 'kcat', '{"n":1}'])

    await driver.publish([{ id: 'ours', topic, key: 'k1', headers: { mine: 'ü' }, body: Buffer.from('{"n":2}') }])
    await reader.nth(2)
    const read = await kcat(['-C', '-q', '-t', topic, '-e', '-o', 'beginning', '-f', '%p|%k|%h|%s\n'])
    const [theirLine, ourLine] = read.trim().split('\n')
    expect(ourLine).toMatch(/\|k1\|.*mine=ü.*\|\{"n":2\}$/)
    expect(ourLine).toContain('corebus-id=ours')
    // The same key, the same partition, whoever publishes.
    expect(ourLine?.split('|')[0]).toBe(theirLine?.split('|')[0])
  })

  test('the same partition for a key as librdkafka, and as bare kafkajs', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected()
    await member(driver, { topics: [topic], group, acknowledges: true })
    const { producer, read } = await room.bare()
    const keys = Array.from({ length: 40 }, (_, i) => `key-${i}-ü`)
    await kcat(['-P', '-t', topic, '-K', ':', '-X', 'topic.partitioner=murmur2_random'], keys.map((key) => `${key}:kcat`).join('\n'))
    await producer.send({ topic, messages: keys.map((key) => ({ key, value: 'kafkajs' })) })
    await driver.publish(keys.map((key) => ({ id: key, topic, key, headers: {}, body: Buffer.from('ours') })))
    const all = await read(topic)
    expect(all).toHaveLength(120)
    for (const ofKey of Map.groupBy(all, ({ key }) => key?.toString()).values())
      expect(new Set(ofKey.map(({ partition }) => partition)).size).toBe(1)
  })

  test('null, an empty value and no key are three things, also as dead letters', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected()
    const reader = await member(driver, { topics: [topic], group })
    const { producer } = await room.bare()
    await producer.send({ topic, messages: [{ key: 'gone', value: null }] })
    await producer.send({ topic, messages: [{ key: 'empty', value: '' }] })
    await producer.send({ topic, messages: [{ value: 'keyless' }] })
    await reader.nth(3)
    await reader.settle(reader.deliveries.map((delivery) => ({ kind: 'deadLetter', delivery, headers: {} })))
    const letters = (await driver.admin.deadLetters({ topic, group })).letters
    const seen = (list: readonly { message: { key?: string; tombstone?: true; body: Uint8Array } }[]) =>
      list.map(({ message: { key, tombstone, body } }) => [key, tombstone, Buffer.from(body).toString()]).sort()
    const expected = [
      ['empty', undefined, ''],
      ['gone', true, ''],
      [undefined, undefined, 'keyless'],
    ].sort()
    expect(seen(reader.deliveries)).toEqual(expected)
    expect(seen(letters)).toEqual(expected)
    expect(await driver.admin.replay({ topic, group }, {})).toBe(3)
    await reader.nth(6)
    expect(seen(reader.deliveries.slice(3))).toEqual(expected)
  })

  test('a header without a value does not hold up the copies of its message', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected()
    const reader = await member(driver, { topics: [topic], group })
    await kcat(['-P', '-t', topic, '-H', 'empty', '-H', 'source=kcat'], '{"n":1}')
    const first = await reader.nth(1)
    expect(first.message.headers).toEqual({ source: 'kcat' })
    await reader.settle([{ kind: 'retry', delivery: first, headers: {}, afterMs: 0 }])
    const again = await reader.nth(2)
    expect([again.message.id, again.message.headers]).toEqual([first.message.id, { source: 'kcat' }])
  })

  test('what librdkafka and Java compress is read, with each codec', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected()
    const reader = await member(driver, { topics: [topic], group, acknowledges: true })
    const text = (from: string) => Array.from({ length: 300 }, (_, n) => `{"from":"${from}","n":${n},"${'x'.repeat(n)}":true}`)
    const sent = CODECS.flatMap((codec) => ['kcat', 'java'].flatMap((client) => text(`${client} ${codec}`)))
    for (const codec of CODECS) {
      await kcat(['-P', '-t', topic, '-z', codec], text(`kcat ${codec}`).join('\n'))
      await java(
        'org.apache.kafka.tools.ConsoleProducer',
        ['--topic', topic, '--compression-codec', codec],
        text(`java ${codec}`).join('\n'),
      )
    }
    await reader.nth(sent.length)
    expect(reader.deliveries.map(({ message }) => String(message.body)).sort()).toEqual(sent.sort())
    expect(reader.states.every(({ kind }) => kind === 'consuming')).toBe(true)
  }, 120_000)

  test('what kafkajs compresses with the codecs that it was given is taken by the broker, and read by kcat', async () => {
    const { topic, ...room } = openRoom(url)
    const { admin, producer } = await room.bare()
    await createTopics(admin, [{ topic, numPartitions: 1 }])
    const values = Array.from({ length: 300 }, (_, n) => `${n} ${'y'.repeat(n)} größer`)
    const { Snappy, LZ4, ZSTD } = kafkajs.CompressionTypes
    for (const compression of [Snappy, LZ4, ZSTD]) await producer.send({ topic, compression, messages: values.map((value) => ({ value })) })
    expect((await kcat(['-C', '-t', topic, '-e', '-q'])).trim().split('\n')).toEqual([...values, ...values, ...values])
  })

  test('a batch that cannot be read is a dead letter that names its codec, no handler gets it, and what lies behind it is handled', async () => {
    const { topic, group, ...room } = openRoom(url)
    const messaging = createMessaging({ broker: 'kafka', url, service: 'tests', env: {}, logger: pino({ level: 'silent' }) })
    onTestFinished(() => messaging.close())
    const { admin } = await room.bare()
    await createTopics(admin, [{ topic, numPartitions: 1 }])
    const seen: string[] = []
    messaging.handle({ topic, group, decode: 'text' }, (text: string) => void seen.push(text))
    await messaging.start()
    const { Snappy } = kafkajs.CompressionTypes
    const codec = kafkajs.CompressionCodecs[Snappy]
    onTestFinished(() => {
      kafkajs.CompressionCodecs[Snappy] = codec
    })
    // As on a Node.js without zstd, and with a codec that is yet to come.
    kafkajs.CompressionCodecs[Snappy] = () => {
      throw new Error('there is no such codec here')
    }
    const batch = [...'ab'].map((one) => one.repeat(500))
    await kcat(['-P', '-t', topic, '-z', 'snappy', '-X', 'linger.ms=500'], batch.join('\n'))
    await kcat(['-P', '-t', topic, '-z', 'lz4'], 'behind '.repeat(50).trim())
    await until(() => seen.length === 1)
    expect(seen[0]).toMatch(/^behind/)
    const letters = async () => (await (await messaging.driver()).admin.deadLetters({ topic, group })).letters
    await until(async () => (await letters()).length === 1)
    const [letter] = await letters()
    expect(letter?.message.headers[HEADER.error]).toMatch(
      /^2 records of Kafka, compressed with snappy, cannot be read: there is no such codec here/,
    )
    expect(letter?.message.unreadable).toMatch(/snappy/)
    // It is the same when it is put back, and with the codec its bytes are there.
    const { admin: ours } = await messaging.driver()
    expect(await ours.replay({ topic, group }, {})).toBe(1)
    await until(async () => messaging.counters.dead === 2)
    kafkajs.CompressionCodecs[Snappy] = codec
    expect(String(decompressSnappy(Buffer.from((await letters())[0]?.message.body ?? [])))).toContain(batch[1])
    expect(seen.length).toBe(1)
  })

  test('of a transaction what was aborted is not handed out, and its markers do not stay as a lag', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected()
    const reader = await member(driver, { topics: [topic], group, acknowledges: true })
    const { kafka } = await room.bare()
    const producer = kafka.producer({ transactionalId: `tx-${topic}`, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    for (const outcome of ['abort', 'commit'] as const) {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ key: 'k', value: outcome }] })
      await transaction[outcome]()
    }
    await producer.disconnect()
    await reader.nth(1)
    await quiet()
    expect(reader.deliveries.map(({ message }) => Buffer.from(message.body).toString())).toEqual(['commit'])
    await driver.publish(messages(topic, 1).map((message) => ({ ...message, key: 'k' })))
    await reader.nth(2)
    await until(async () => (await driver.admin.depth(topic, group)).ready === 0)
  })

  test('a group of the same name with other kinds of members is an error that says so', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected()
    await driver.ensure({ topics: [topic], groups: [] }, 'create')
    const { kafka } = await room.bare()
    const consumer = kafka.consumer({ groupId: group })
    await consumer.connect()
    await consumer.subscribe({ topic })
    const joined = new Promise<void>((resolve) => void consumer.on(consumer.events.GROUP_JOIN, () => resolve()))
    await consumer.run({ eachMessage: async () => {} })
    await joined
    await expect(member(driver, { topics: [topic], group })).rejects.toMatchObject({ code: 'GROUP_FOREIGN', message: /another name/ })
    await consumer.disconnect()
  })

  test('a group whose other members are still agreeing is refused as soon as they have, and nothing was made by then', async () => {
    const { topic, group, ...room } = openRoom(url)
    const { admin, kafka, producer } = await room.bare()
    await createTopics(admin, [{ topic, numPartitions: 2 }])
    await producer.send({ topic, messages: [{ value: '{}' }] })
    const begun = Promise.withResolvers<void>()
    const done = Promise.withResolvers<void>()
    const [first, second] = [kafka.consumer({ groupId: group }), kafka.consumer({ groupId: group })]
    for (const consumer of [first, second]) {
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
    }
    onTestFinished(async () => {
      done.resolve()
      await Promise.all([first.disconnect(), second.disconnect()])
    })
    // While it handles something it does not join again, and the other one waits for it.
    const eachMessage = async () => {
      begun.resolve()
      await done.promise
    }
    await first.run({ eachMessage })
    await begun.promise
    void second.run({ eachMessage: async () => {} }) // it has come in when all have
    await until(async () => (await admin.describeGroups([group])).groups[0]?.state === 'PreparingRebalance')
    const before = (await admin.listTopics()).sort()
    const refused = expect(member(await room.connected(), { topics: [topic], group })).rejects.toMatchObject({ code: 'GROUP_FOREIGN' })
    await quiet()
    done.resolve()
    await refused
    expect((await admin.listTopics()).sort()).toEqual(before)
  }, 60_000)

  test('a group with members of the protocol of Kafka 4 is refused, nothing is made, and once they have left it is gone on with', async () => {
    const { topic, group, ...room } = openRoom(url)
    const { admin, producer } = await room.bare()
    await createTopics(admin, [{ topic, numPartitions: 1 }])
    const all = [
      '--bootstrap-server',
      url,
      '--topic',
      topic,
      '--group',
      group,
      '--from-beginning',
      '--command-property',
      'group.protocol=consumer',
    ]
    const theirs = spawn('java', ['-cp', `${await kafkaJars()}/*`, 'org.apache.kafka.tools.consumer.ConsoleConsumer', ...all])
    const ended = new Promise((resolve) => theirs.once('exit', resolve))
    onTestFinished(() => void theirs.kill('SIGKILL'))
    await producer.send({ topic, messages: [{ value: 'for them' }] })
    await new Promise((resolve) => theirs.stdout.once('data', resolve))
    const before = (await admin.listTopics()).sort()
    const driver = await room.connected()
    const wanted = { topics: [topic], group, acknowledges: true }
    for (const mode of ['create', 'check'] as const)
      await expect(member(driver, { ...wanted, mode })).rejects.toMatchObject({ code: 'GROUP_FOREIGN', message: /group.protocol=consumer/ })
    expect((await admin.listTopics()).sort()).toEqual(before)
    theirs.kill('SIGTERM')
    await ended
    await producer.send({ topic, messages: [{ value: 'for us' }] })
    const reader = await member(driver, wanted)
    await until(() => reader.deliveries.some(({ message }) => String(message.body) === 'for us'))
  }, 60_000)
})
