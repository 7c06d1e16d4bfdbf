import assert from 'node:assert/strict'
import type { Message } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { HEADER } from '../../wire/headers.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import { idsOf, messages, sorted } from './room.ts'
import { quiet, until } from './wait.ts'

const burying = casesOf('Retry and dead letters')

const code = (expected: string) => (thrown: unknown) => thrown instanceof CorebusError && thrown.code === expected

export const buryCases: readonly ConformanceCase[] = [
  burying('letters that were taken out and are put back are the same, in their place, and go to their group alone', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const [one, other] = [await room.member(driver, { topics: [topic] }), await room.member(driver, { topics: [topic], group: 'other' })]
    const [plain, keyed] = messages(topic, { count: 2, keys: 2 })
    assert.ok(plain && keyed)
    const headers = { mine: 'é', [HEADER.attempt]: '4', [HEADER.error]: 'no', [HEADER.reason]: 'failed' }
    const letters: readonly Message[] = [
      { id: plain.id, topic, headers, body: Uint8Array.of(0xff, 0x00, 0x41) },
      { ...keyed, headers },
      { id: 'gone', topic, key: 'k', headers, body: new Uint8Array(), tombstone: true },
    ]
    const before = Date.now()
    await driver.admin.bury(letters.map((message) => ({ message, group: 'g' })))
    const found = (await (await room.connect()).admin.deadLetters({ topic })).letters
    const plainly = (message: Message) => ({ ...message, body: [...message.body] })
    assert.deepEqual(
      new Map(found.map(({ message }) => [message.id, plainly(message)])),
      new Map(letters.map((message) => [message.id, plainly(message)])),
    )
    for (const { group, place, at } of found) {
      assert.deepEqual([group, place], ['g', `${topic}.g.dlq`])
      assert.ok(at >= before - 1_000 && at <= Date.now() + 1_000, `stored at ${at}`)
    }
    assert.equal((await driver.admin.depth(topic, 'g')).dead, 3)
    // What is put back a second time is there twice: nothing is lost by it.
    await driver.admin.bury([{ message: letters[1] as Message, group: 'g' }])
    assert.equal((await driver.admin.deadLetters({ topic, ids: [keyed.id] })).letters.length, 2)
    assert.equal(await driver.admin.replay({ topic }, { [HEADER.attempt]: '1' }), 4)
    await until(
      () => one.deliveries.length === 4,
      () => one.ids(),
    )
    assert.deepEqual(sorted(one.ids()), sorted([...idsOf(letters), keyed.id]))
    assert.deepEqual([...one.delivery(plain.id).message.body], [0xff, 0x00, 0x41])
    assert.equal(one.delivery('gone').message.tombstone, true)
    await one.settle([{ kind: 'deadLetter', delivery: one.delivery(plain.id), headers: {} }])
    await one.ack(...one.deliveries)
    await quiet()
    assert.equal((await driver.admin.deadLetters({ topic, ids: [plain.id] })).letters.length, 1)
    assert.equal(other.deliveries.length, 0)
  }),

  burying('letters of a group that nobody declared, or that keeps none, are refused, and then none of them is stored', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    await room.member(driver, { topics: [topic] })
    await room.member(driver, { topics: [topic], group: 'none', deadLetter: false })
    const [message] = messages(topic, { count: 1 })
    assert.ok(message)
    const { admin } = await room.connect()
    await assert.rejects(admin.bury(['g', 'nobody'].map((group) => ({ message, group }))), code('NO_SUCH_GROUP'))
    await assert.rejects(admin.bury(['g', 'none'].map((group) => ({ message, group }))), code('NO_DEAD_LETTERS'))
    await assert.rejects(admin.bury([{ message: { ...message, topic: room.topic() }, group: 'g' }]), code('NO_SUCH_GROUP'))
    assert.deepEqual((await admin.deadLetters({ topic })).letters, [])
  }),
]
