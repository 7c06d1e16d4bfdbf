import { broker } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import type { LetterTarget, Source } from '../../driver.ts'
import { createMessaging } from '../../messaging.ts'
import { createTopics } from './fixtures/create-topics.ts'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'

// Dead letters that go to topics of others, read by kafkajs alone.

const running = await broker('kafka', { own: true })
afterAll(() => running?.stop())
const url = running?.url ?? ''

describe.skipIf(!running)('dead letters for others on Kafka', () => {
  test('go to their topic with key, value and headers as they were, a tombstone too, by their keys; no place of ours is made', async () => {
    const { topic, group, ...room } = openRoom(url)
    const bare = await room.bare()
    const [theirs, dead] = [`theirs-${topic}`, `dead-${topic}`]
    await createTopics(
      bare.admin,
      [theirs, dead].map((name) => ({ topic: name, numPartitions: 3 })),
    )
    const [key, value] = [Buffer.from([0, 1, 255]), Buffer.from([0, 0, 0, 7, 255])]
    const headers = { trace: 'ä', twice: ['1', '2'], bytes: Buffer.from([255]) }
    await bare.producer.send({ topic: theirs, messages: [{ key, value, headers }] })
    const driver = await room.connected()
    const reader = await member(driver, { topics: [topic], group, source: { topic: theirs }, deadLetter: { to: { topic: dead } } })
    const first = await reader.nth(1)
    await reader.settle([{ kind: 'retry', delivery: first, headers: { 'corebus-attempt': '2' }, afterMs: 100 }])
    await reader.settle([
      { kind: 'deadLetter', delivery: await reader.nth(2), headers: { 'corebus-reason': 'failed', 'corebus-group': group } },
    ])
    await bare.producer.send({ topic: theirs, messages: [{ key: 'gone', value: null }] })
    await reader.settle([{ kind: 'deadLetter', delivery: await reader.nth(3), headers: { 'corebus-reason': 'failed' } }])
    const letters = await bare.read(dead)
    const letter = letters.find(({ value: one }) => one !== null)
    expect([letters.length, letter?.key, letter?.value]).toEqual([2, key, value])
    const { trace, twice, bytes, ...ours } = letter?.headers ?? {}
    expect([String(trace), (twice as readonly Buffer[]).map(String), bytes]).toEqual(['ä', ['1', '2'], Buffer.from([255])])
    expect(Object.fromEntries(Object.entries(ours).map(([name, one]) => [name, String(one)]))).toMatchObject({
      'corebus-id': first.message.id,
      'corebus-attempt': '2',
      'corebus-reason': 'failed',
      'corebus-group': group,
    })
    const tombstone = letters.find(({ value: one }) => one === null)
    expect([String(tombstone?.key), String(tombstone?.headers?.['corebus-reason'])]).toEqual(['gone', 'failed'])
    const original = (await bare.read(theirs)).find(({ value: one }) => one !== null)
    expect(letter?.partition).toBe(original?.partition)
    expect(await driver.admin.depth(topic, group)).toMatchObject({ dead: 0, ready: 0 })
    expect((await bare.admin.listTopics()).filter((name) => name.includes(topic) && name.includes('dlq'))).toEqual([])
  })

  test('that have no such place are refused with their code, in create and in check, and nothing is made', async () => {
    const { topic, group, ...room } = openRoom(url)
    const bare = await room.bare()
    const theirs = `theirs-${topic}`
    await createTopics(bare.admin, [{ topic: theirs, numPartitions: 1 }])
    const before = (await bare.admin.listTopics()).sort()
    const driver = await room.connected()
    const wrong: readonly (readonly [LetterTarget, Source | undefined, string])[] = [
      [{ topic: 'no.such' }, undefined, 'there is no topic no.such'],
      [{ stream: 'dead' }, undefined, 'nothing of Kafka'],
      [{ topic: theirs }, { topic: theirs }, 'what the group itself reads'],
      [{ topic }, undefined, 'what the group itself reads'],
    ]
    for (const mode of ['create', 'check'] as const)
      for (const [to, source, words] of wrong) {
        const refused = member(driver, { topics: [topic], group, deadLetter: { to }, mode, ...(source && { source }) })
        await expect(refused).rejects.toMatchObject({ code: 'TARGET', message: expect.stringContaining(words) })
      }
    expect((await bare.admin.listTopics()).sort()).toEqual(before)
  })

  test('while their topic is gone are tried again and said, nothing of them is lost or cut, and other messages go on', async () => {
    const { topic, group, ...room } = openRoom(url)
    const bare = await room.bare()
    const dead = `dead-${topic}`
    await createTopics(bare.admin, [{ topic: dead, numPartitions: 1 }])
    const lines: { readonly level: number; readonly msg: string }[] = []
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
    const messaging = createMessaging({ broker: 'kafka', url, service: 's', env: {}, logger })
    onTestFinished(() => messaging.close())
    messaging.handle({ topic, group, maxRetries: 0, deadLetter: { to: { topic: dead } } }, ({ ok }: { ok: boolean }) => {
      if (!ok) throw new Error('card declined')
    })
    await messaging.start()
    // Its leader is known by then.
    await messaging.getProducer().send(topic, { ok: false, text: 'first' })
    await until(() => messaging.counters.dead === 1)
    await bare.admin.deleteTopics({ topics: [dead] })
    await until(async () => !(await bare.admin.listTopics()).includes(dead))
    const body = { ok: false, text: 'x'.repeat(1_000) }
    await messaging.getProducer().send(topic, body, { id: 'bad' })
    await until(() => lines.some(({ msg }) => msg.includes(dead) && msg.includes('there is none')))
    await messaging.getProducer().send(topic, { ok: true })
    await until(() => messaging.counters.handled === 1)
    await quiet()
    expect(messaging.counters.dead).toBe(1)
    expect(await bare.admin.listTopics()).not.toContain(dead)
    await createTopics(bare.admin, [{ topic: dead, numPartitions: 1 }])
    await until(() => messaging.counters.dead === 2)
    expect((await bare.read(dead)).map(({ value }) => String(value))).toEqual([JSON.stringify(body)])
  }, 60_000)

  test('leave those from before where they are, which are found and handed back; and come to us again when the group says so', async () => {
    const { topic, group, ...room } = openRoom(url)
    const bare = await room.bare()
    const dead = `dead-${topic}`
    await createTopics(bare.admin, [{ topic: dead, numPartitions: 1 }])
    const [one, two, three] = messages(topic, 3)
    for (const [sent, deadLetter] of [
      [one, {}],
      [two, { to: { topic: dead } }],
      [three, {}],
    ] as const) {
      const driver = await room.connected()
      const reader = await member(driver, { topics: [topic], group, deadLetter })
      if (sent) await driver.publish([sent])
      await reader.settle([{ kind: 'deadLetter', delivery: await reader.nth(1), headers: {} }])
      const { admin } = await room.connected()
      expect((await admin.topics([topic]))[0]?.lettersTo).toEqual(sent === two ? { [group]: { topic: dead } } : undefined)
      await driver.close()
    }
    const { admin } = await room.connected()
    expect((await admin.deadLetters({ topic })).letters.map(({ message }) => message.id)).toEqual([one?.id, three?.id])
    expect((await bare.read(dead)).length).toBe(1)
    expect(await admin.replay({ topic }, {})).toBe(2)
  }, 60_000)
})
