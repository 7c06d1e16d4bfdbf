import assert from 'node:assert/strict'
import type { Message } from '../../driver.ts'
import { PublishError } from '../../errors.ts'
import { newId } from '../../wire/id.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import { idsOf, messages, numberIn, sorted } from './room.ts'
import { quiet, until } from './wait.ts'

const publishing = casesOf('Publish')

export const publishCases: readonly ConformanceCase[] = [
  publishing('a topic without any group keeps what is published, and the first group gets all of it', async (room) => {
    const topic = room.topic()
    const sent = messages(topic, { count: 120, keys: 3 })
    const publisher = await room.connect()
    await publisher.publish(sent.slice(0, 70))
    await publisher.publish(sent.slice(70))
    const first = await room.member(await room.connect(), { topics: [topic], limit: 1_000, acknowledges: true })
    await until(
      () => first.deliveries.length >= 120,
      () => first.deliveries.length,
    )
    await quiet()
    assert.deepEqual(sorted(first.ids()), sorted(idsOf(sent)))
    const [some] = await publisher.admin.topics().then((all) => all.filter((one) => one.topic === topic))
    assert.deepEqual(some?.groups, ['g'])
  }),

  publishing(
    'a later group of a used topic starts at the earliest message kept',
    async (room) => {
      const topic = room.topic()
      const sent = messages(topic, { count: 20 })
      const driver = await room.connect()
      const first = await room.member(driver, { topics: [topic], group: 'first', acknowledges: true })
      await driver.publish(sent)
      await until(
        () => first.deliveries.length === 20,
        () => first.deliveries.length,
      )
      const later = await room.member(driver, { topics: [topic], group: 'later', acknowledges: true })
      await until(
        () => later.deliveries.length >= 20,
        () => later.deliveries.length,
      )
      assert.deepEqual(sorted(later.ids()), sorted(idsOf(sent)))
    },
    { needs: ({ keepsHistory }) => (keepsHistory ? undefined : 'this broker drops what every group has settled') },
  ),

  publishing(
    'a later group of a used topic starts with what comes',
    async (room) => {
      const topic = room.topic()
      const driver = await room.connect()
      const first = await room.member(driver, { topics: [topic], group: 'first', acknowledges: true })
      await driver.publish(messages(topic, { count: 20 }))
      await until(
        () => first.deliveries.length === 20,
        () => first.deliveries.length,
      )
      const later = await room.member(driver, { topics: [topic], group: 'later', acknowledges: true })
      const next = messages(topic, { count: 5 })
      await driver.publish(next)
      await until(
        () => later.deliveries.length >= 5,
        () => later.deliveries.length,
      )
      await quiet()
      assert.deepEqual(sorted(later.ids()), sorted(idsOf(next)))
    },
    { needs: ({ keepsHistory }) => (keepsHistory ? 'this broker keeps what every group has settled' : undefined) },
  ),

  publishing('two groups that start at the same moment lose nothing between them', async (room) => {
    const topic = room.topic()
    const before = messages(topic, { count: 100, keys: 10 })
    const publisher = await room.connect()
    await publisher.publish(before)
    const connections = [await room.connect(), await room.connect()]
    const groups = await Promise.all(
      connections.map((driver, i) => room.member(driver, { topics: [topic], group: `g${i}`, limit: 1_000, acknowledges: true })),
    )
    const seenByAny = () => new Set(groups.flatMap(({ deliveries }) => deliveries.map(({ message }) => message.id)))
    await until(
      () => seenByAny().size === 100,
      () => groups.map(({ deliveries }) => deliveries.length),
    )
    const after = messages(topic, { count: 10 })
    await publisher.publish(after)
    for (const { ids } of groups)
      await until(
        () => after.every(({ id }) => ids().includes(id)),
        () => ids().length,
      )
  }),

  publishing('id, key, headers and bytes arrive unchanged: any UTF-8, an empty body, a tombstone', async (room) => {
    const topic = room.topic()
    const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i)
    const sent: readonly Message[] = [
      {
        id: newId(),
        topic,
        key: 'Schlüssel/鍵 🔑',
        headers: { plain: 'x', 'x-Größe': 'ß → 中 🚀\nline "two"', empty: '' },
        body: everyByte,
      },
      { id: 'not-a-uuid:7', topic, headers: { 'content-type': 'application/json' }, body: new TextEncoder().encode('{"a":1}') },
      { id: newId(), topic, key: '', headers: {}, body: new Uint8Array() },
      { id: newId(), topic, key: 'gone', headers: {}, body: new Uint8Array(), tombstone: true },
    ]
    const driver = await room.connect()
    await driver.publish(sent)
    const group = await room.member(await room.connect(), { topics: [topic], acknowledges: true })
    await until(
      () => group.deliveries.length >= sent.length,
      () => group.ids(),
    )
    for (const message of sent) {
      const { message: got, unsettledBefore } = group.delivery(message.id)
      assert.deepEqual({ ...got, body: [...got.body] }, { ...message, body: [...message.body] })
      assert.equal(unsettledBefore, 0)
    }
  }),

  publishing('resolves only when a new connection can read it', async (room) => {
    const topic = room.topic()
    const publisher = await room.connect()
    for (let round = 1; round <= 5; round++) {
      await publisher.publish(messages(topic, { count: 10 }))
      const depth = await (await room.connect()).admin.depth(topic, 'g')
      const kept = (await (await room.connect()).admin.topics()).find((one) => one.topic === topic)?.kept
      // Before its first group a topic may have no depth; what is kept then says it.
      assert.ok(depth.ready === 10 * round || kept === 10 * round, `round ${round}: ready ${depth.ready}, kept ${kept}`)
    }
    await publisher.close()
    const reader = await room.member(await room.connect(), { topics: [topic], acknowledges: true })
    await until(
      () => reader.deliveries.length === 50,
      () => reader.deliveries.length,
    )
  }),

  publishing('1,000 in one call and 20 large ones in one call are all stored, once', async (room) => {
    const topic = room.topic()
    const many = messages(topic, { count: 1_000, keys: 50 })
    const large = messages(topic, { count: 20, bytes: 900_000 })
    const driver = await room.connect()
    await driver.publish(many)
    await driver.publish(large)
    const group = await room.member(driver, { topics: [topic], acknowledges: true })
    await until(
      () => group.deliveries.length >= 1_020,
      () => group.deliveries.length,
    )
    await quiet()
    assert.deepEqual(sorted(group.ids()), sorted([...idsOf(many), ...idsOf(large)]))
    for (const { id } of large) assert.equal(group.delivery(id).message.body.length, 900_000)
  }),

  publishing('per key in publish order, also of calls that were not waited for', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const sent = messages(topic, { count: 1_000, keys: 7 })
    await Promise.all(Array.from({ length: 100 }, (_, i) => driver.publish(sent.slice(10 * i, 10 * i + 10))))
    const group = await room.member(driver, { topics: [topic], acknowledges: true })
    await until(
      () => group.deliveries.length >= 1_000,
      () => group.deliveries.length,
    )
    assert.equal(group.deliveries.length, 1_000)
    for (let key = 0; key < 7; key++) {
      const numbers = group.deliveries.filter(({ message }) => message.key === `k${key}`).map(({ message }) => numberIn(message))
      assert.deepEqual(
        numbers,
        [...numbers].sort((a, b) => a - b),
      )
    }
  }),

  publishing('many publishers at once: every message is there once', async (room) => {
    const topic = room.topic()
    const publishers = await Promise.all(Array.from({ length: 5 }, () => room.connect()))
    const sent = publishers.map(() => messages(topic, { count: 100, keys: 9 }))
    await Promise.all(publishers.map((driver, p) => Promise.all((sent[p] ?? []).map((message) => driver.publish([message])))))
    const group = await room.member(await room.connect(), { topics: [topic], acknowledges: true })
    await until(
      () => group.deliveries.length >= 500,
      () => group.deliveries.length,
    )
    await quiet()
    assert.deepEqual(sorted(group.ids()), sorted(idsOf(sent.flat())))
  }),

  publishing('after close it rejects, names the messages, and never hangs', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    await driver.publish(messages(topic, { count: 1 }))
    await driver.close()
    const late = messages(topic, { count: 2 })
    const error: unknown = await driver.publish(late).then(
      () => assert.fail('a closed driver confirmed a message'),
      (thrown) => thrown,
    )
    assert.ok(error instanceof PublishError, `rejected with ${error}`)
    assert.deepEqual(
      error.failures.map(({ id }) => id),
      idsOf(late),
    )
    assert.equal((await (await room.connect()).admin.depth(topic, 'g')).ready <= 1, true)
  }),

  publishing('close with publishes under way: each is confirmed and stored, or rejected', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const sent = messages(topic, { count: 200 })
    const outcomes = sent.map(async (message) => {
      try {
        await driver.publish([message])
        return message.id
      } catch (error) {
        assert.ok(error instanceof PublishError, `rejected with ${error}`)
        return undefined
      }
    })
    await driver.close()
    const confirmed = (await Promise.all(outcomes)).filter((id) => id !== undefined)
    const group = await room.member(await room.connect(), { topics: [topic], limit: 1_000, acknowledges: true })
    await until(
      () => confirmed.every((id) => group.ids().includes(id)),
      () => ({ confirmed: confirmed.length, seen: group.deliveries.length }),
    )
  }),
]
