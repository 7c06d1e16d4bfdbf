import assert from 'node:assert/strict'
import type { Driver, Message } from '../../driver.ts'
import { HEADER } from '../../wire/headers.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import { idsOf, messages, type Room, sorted, type Watched } from './room.ts'
import { quiet, until } from './wait.ts'

const dying = casesOf('Retry and dead letters')

/** `count` messages, all of which `group` has given up on. */
async function deadIn(room: Room, driver: Driver, topic: string, group: string, sent: readonly Message[]): Promise<Watched> {
  const member = await room.member(driver, { topics: [topic], group })
  await driver.publish(sent)
  await until(
    () => member.deliveries.length >= sent.length,
    () => member.deliveries.length,
  )
  for (const { id } of sent)
    await member.settle([{ kind: 'deadLetter', delivery: member.delivery(id), headers: { [HEADER.attempt]: '4', [HEADER.error]: 'no' } }])
  return member
}

export const deadLetterCases: readonly ConformanceCase[] = [
  dying('a dead letter lies there once, unchanged but for the headers laid over, and comes back by itself to nobody', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const other = await room.member(driver, { topics: [topic], group: 'other', acknowledges: true })
    const [sent] = messages(topic, { count: 1, keys: 1 })
    assert.ok(sent)
    const before = Date.now()
    const member = await deadIn(room, driver, topic, 'g', [{ ...sent, headers: { mine: 'é' } }])
    await until(
      () => other.deliveries.length === 1,
      () => other.deliveries.length,
    )
    const [letter, ...more] = (await driver.admin.deadLetters({ topic })).letters
    assert.ok(letter)
    assert.deepEqual(more, [])
    const { message, group, place, at } = letter
    assert.deepEqual(
      { ...message, body: [...message.body] },
      { ...sent, headers: { mine: 'é', [HEADER.attempt]: '4', [HEADER.error]: 'no' }, body: [...sent.body] },
    )
    assert.deepEqual([group, place], ['g', `${topic}.g.dlq`])
    assert.ok(at >= before && at <= Date.now(), `stored at ${at}`)
    const { ready, dead, inFlight = 0, delayed = 0 } = await driver.admin.depth(topic, 'g')
    assert.deepEqual({ ready, dead, inFlight, delayed }, { ready: 0, dead: 1, inFlight: 0, delayed: 0 })
    await quiet()
    assert.deepEqual([member.deliveries.length, other.deliveries.length], [1, 1])
  }),

  dying('three messages with one id that fail for good are three letters; handed back by that id, all three come again', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const member = await room.member(driver, { topics: [topic] })
    const sent = messages(topic, { count: 3 }).map((message) => ({ ...message, id: 'order-7' }))
    const bodies = sorted(sent.map(({ body }) => String(Buffer.from(body))))
    const textOf = ({ message }: { readonly message: Message }) => String(Buffer.from(message.body))
    // One by one: what is published together may be stored as one by its id.
    for (const message of sent) await driver.publish([message])
    for (const round of [1, 2]) {
      await until(
        () => member.deliveries.length === round * 3,
        () => member.deliveries.length,
      )
      const now = member.deliveries.slice(-3)
      assert.deepEqual(sorted(now.map(textOf)), bodies)
      await member.settle(now.map((delivery) => ({ kind: 'deadLetter', delivery, headers: { [HEADER.attempt]: '4' } })))
      const letters = (await driver.admin.deadLetters({ topic })).letters
      assert.deepEqual(sorted(letters.map(textOf)), bodies)
      assert.deepEqual(idsOf(letters), ['order-7', 'order-7', 'order-7'])
      assert.equal((await driver.admin.depth(topic, 'g')).dead, 3)
      if (round === 1) assert.equal(await driver.admin.replay({ topic, ids: ['order-7'] }, { [HEADER.attempt]: '1' }), 3)
    }
  }),

  dying(
    'a message with 4,200 headers is retried, dead-lettered and handed back whole, and its neighbours are not kept waiting',
    async (room) => {
      const topic = room.topic()
      const driver = await room.connect()
      const member = await room.member(driver, { topics: [topic] })
      const headers = Object.fromEntries(Array.from({ length: 4_200 }, (_, n) => [`h${n.toString(36)}`, 'v']))
      const [one, wide, two] = messages(topic, { count: 3 }).map((message, n) => (n === 1 ? { ...message, headers } : message))
      assert.ok(one && wide && two)
      await driver.publish([one, wide, two])
      const theirs = ({ message }: { readonly message: Message }) =>
        Object.fromEntries(Object.entries(message.headers).filter(([name]) => name.startsWith('h')))
      const came = async (count: number) => {
        await until(
          () => member.deliveries.length === count,
          () => member.ids(),
        )
        assert.deepEqual(theirs(member.delivery(wide.id)), headers)
      }
      await came(3)
      for (const afterMs of [100, 0]) {
        const retries = [one, wide, two].map(({ id }) => member.delivery(id))
        const before = member.deliveries.length
        await member.settle(retries.map((delivery) => ({ kind: 'retry', delivery, headers: { [HEADER.attempt]: '2' }, afterMs })))
        await came(before + 3)
      }
      await member.settle([{ kind: 'deadLetter', delivery: member.delivery(wide.id), headers: { [HEADER.attempt]: '3' } }])
      const [letter, ...more] = (await driver.admin.deadLetters({ topic })).letters
      assert.ok(letter)
      assert.deepEqual([more.length, letter.message.id, theirs(letter)], [0, wide.id, headers])
      assert.equal(await driver.admin.replay({ topic }, {}), 1)
      await came(10)
      assert.equal(member.delivery(wide.id).message.headers[HEADER.attempt], '3')
      await member.ack(...[one, wide, two].map(({ id }) => member.delivery(id)))
    },
  ),

  dying('listing 100 times leaves the same letters and counts', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const sent = messages(topic, { count: 10, keys: 2 })
    const member = await deadIn(room, driver, topic, 'g', sent.slice(0, 5))
    await quiet(5)
    await driver.publish(sent.slice(5))
    await until(
      () => member.deliveries.length === 10,
      () => member.deliveries.length,
    )
    for (const { id } of sent.slice(5)) await member.settle([{ kind: 'deadLetter', delivery: member.delivery(id), headers: {} }])
    const first = (await driver.admin.deadLetters({ topic })).letters
    assert.deepEqual(idsOf(first), idsOf(sent))
    for (let i = 0; i < 100; i++) assert.equal((await driver.admin.deadLetters({ topic, group: 'g' })).letters.length, 10)
    assert.deepEqual((await driver.admin.deadLetters({ topic })).letters, first)
    assert.equal((await driver.admin.depth(topic, 'g')).dead, 10)
    const oldest = (await driver.admin.deadLetters({ topic }, { limit: 3 })).letters
    assert.deepEqual(oldest, first.slice(0, 3))
  }),

  dying('replay by id and by filter: to that group only, with the headers laid over, as often as asked', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const [one, two] = ['one', 'two']
    const sent = messages(topic, { count: 6, keys: 6 })
    const other = await room.member(driver, { topics: [topic], group: two })
    const member = await deadIn(room, driver, topic, one, sent)
    await until(
      () => other.deliveries.length === 6,
      () => other.deliveries.length,
    )
    await other.settle(other.deliveries.map((delivery) => ({ kind: 'deadLetter', delivery, headers: {} })))
    assert.equal((await driver.admin.deadLetters({ topic })).letters.length, 12)

    const id = sent[2]?.id ?? ''
    assert.equal(await driver.admin.replay({ topic, group: one, ids: [id] }, { [HEADER.attempt]: '1' }), 1)
    await until(
      () => member.deliveries.length === 7,
      () => member.deliveries.length,
    )
    const { message, unsettledBefore } = member.delivery(id)
    assert.deepEqual([message.headers[HEADER.attempt], message.headers[HEADER.error], message.key, unsettledBefore], ['1', 'no', 'k2', 0])
    assert.deepEqual([...message.body], [...(sent[2]?.body ?? [])])
    // Still broken: it dies again, and lies there once.
    await member.settle([{ kind: 'deadLetter', delivery: member.delivery(id), headers: {} }])
    assert.equal((await driver.admin.deadLetters({ topic, group: one })).letters.length, 6)
    assert.equal(await driver.admin.replay({ topic, group: one, ids: ['nobody'] }, {}), 0)

    assert.equal(await driver.admin.replay({ topic, group: one }, { [HEADER.attempt]: '1' }), 6)
    await until(
      () => member.deliveries.length === 13,
      () => member.deliveries.length,
    )
    await member.ack(...member.deliveries.slice(7))
    await quiet()
    assert.deepEqual([member.deliveries.length, other.deliveries.length], [13, 6])
    assert.deepEqual(sorted(member.ids().slice(7)), sorted(idsOf(sent)))
    assert.deepEqual([(await driver.admin.depth(topic, one)).dead, (await driver.admin.depth(topic, two)).dead], [0, 6])
  }),

  dying('what is handed back to a group that gives up on it at once comes once, and each is a letter again', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const sent = messages(topic, { count: 150 })
    const buried: Promise<void>[] = []
    const member: Watched = await room.member(driver, {
      topics: [topic],
      limit: 1_000,
      // The first come after it has subscribed: they are published then.
      onDeliveries: (given) => void buried.push(member.settle(given.map((delivery) => ({ kind: 'deadLetter', delivery, headers: {} })))),
    })
    await driver.publish(sent)
    const dead = async (handedOut: number) => {
      await until(
        () => member.deliveries.length === handedOut,
        () => member.deliveries.length,
      )
      await Promise.all(buried)
      assert.deepEqual(sorted(idsOf((await driver.admin.deadLetters({ topic })).letters)), sorted(idsOf(sent)))
    }
    await dead(150)
    assert.equal(await driver.admin.replay({ topic }, {}), 150)
    await dead(300)
    await quiet()
    await dead(300)
  }),

  dying('what is replayed while nobody is there waits for the next member', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const member = await deadIn(room, driver, topic, 'g', messages(topic, { count: 3 }))
    await member.stop()
    const later = await room.connect()
    assert.equal(await later.admin.replay({ place: `${topic}.g.dlq` }, {}), 3)
    // Whoever has stopped is still connected, and leaves it alone.
    await quiet()
    assert.equal((await later.admin.depth(topic, 'g')).ready, 3)
    assert.equal(member.deliveries.length, 3)
    const next = await room.member(later, { topics: [topic], acknowledges: true })
    await until(
      () => next.deliveries.length === 3,
      () => next.deliveries.length,
    )
  }),

  dying('purge deletes what matches and counts it', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const sent = messages(topic, { count: 5 })
    await deadIn(room, driver, topic, 'g', sent)
    const two = idsOf(sent).slice(0, 2)
    assert.equal(await driver.admin.purge({ topic, ids: two }), 2)
    assert.deepEqual(
      sorted((await driver.admin.deadLetters({ topic })).letters.map(({ message }) => message.id)),
      sorted(idsOf(sent).slice(2)),
    )
    assert.equal(await driver.admin.purge({ topic: room.topic() }), 0)
    assert.equal(await driver.admin.purge({ topic, group: 'g' }), 3)
    assert.equal((await driver.admin.depth(topic, 'g')).dead, 0)
  }),

  dying('names and lifetimes of dead letters are as asked, for each group its own', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const [sent] = messages(topic, { count: 1 })
    assert.ok(sent)
    const groups = [
      await room.member(driver, { topics: [topic], group: 'a', deadLetter: { name: '{topic}.dead', ttlMs: 1_500 } }),
      await room.member(driver, { topics: [topic], group: 'b', deadLetter: { name: '{topic}.dead' } }),
    ]
    await driver.publish([sent])
    for (const { deliveries, settle, delivery } of groups) {
      await until(
        () => deliveries.length === 1,
        () => deliveries.length,
      )
      await settle([{ kind: 'deadLetter', delivery: delivery(sent.id), headers: {} }])
    }
    const inPlace = (await driver.admin.deadLetters({ place: `${topic}.dead` })).letters
    assert.deepEqual(sorted(inPlace.map(({ group }) => group)), ['a', 'b'])
    await until(
      async () => (await driver.admin.deadLetters({ topic, group: 'a' })).letters.length === 0,
      () => driver.admin.deadLetters({ topic, group: 'a' }).then(({ letters }) => letters),
    )
    assert.equal((await driver.admin.depth(topic, 'a')).dead, 0)
    assert.equal((await driver.admin.deadLetters({ topic, group: 'b' })).letters.length, 1)
  }),

  dying('delay and dead-letter places exist before the first delivery: check finds nothing missing, and changes nothing', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const group = { group: 'g', topic, delays: [{ afterMs: 100, jitter: 0 }], deadLetter: { ttlMs: 60_000 } }
    const topology = { topics: [topic], groups: [group] }
    const missing = await driver.ensure(topology, 'check')
    assert.ok(missing.length > 0, 'check found a topic that was never made')
    for (const { what } of missing) assert.ok(what.includes(topic), what)
    assert.deepEqual(await driver.ensure(topology, 'check'), missing)
    assert.ok(!(await driver.admin.topics()).some((one) => one.topic === topic), 'check made the topic')
    assert.deepEqual(await driver.ensure(topology, 'create'), [])
    assert.deepEqual(await (await room.connect()).ensure(topology, 'check'), [])
    assert.deepEqual(await driver.ensure(topology, 'create'), [])
  }),

  dying('declared with other arguments: the difference is returned in words, and nothing is altered', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const group = { group: 'g', topic, delays: [{ afterMs: 100, jitter: 0 }], deadLetter: { ttlMs: 60_000 } }
    assert.deepEqual(await driver.ensure({ topics: [topic], groups: [group] }, 'create'), [])
    const other = { topics: [topic], groups: [{ ...group, deadLetter: { ttlMs: 90_000 } }] }
    const [difference, ...more] = await (await room.connect()).ensure(other, 'create')
    assert.ok(difference)
    assert.deepEqual(more, [])
    assert.match(difference.wanted, /90/)
    assert.match(difference.found, /60/)
    assert.deepEqual(await driver.ensure({ topics: [topic], groups: [group] }, 'check'), [])
  }),
]
