import assert from 'node:assert/strict'
import type { Delivery } from '../../driver.ts'
import { HEADER } from '../../wire/headers.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import { idsOf, messages, sorted } from './room.ts'
import { quiet, until } from './wait.ts'

const retrying = casesOf('Retry and dead letters')

/** A timer of a loaded machine, and the way to the broker and back. */
const LATE_MS = 500
/** Longer than a machine that is busy with something else takes for some thirty messages. */
const LONG_MS = 6_000

export const retryCases: readonly ConformanceCase[] = [
  retrying('a retried message comes back to its group only, with the headers laid over and all else unchanged', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const failing = await room.member(driver, { topics: [topic], group: 'failing' })
    const fine = await room.member(driver, { topics: [topic], group: 'fine', acknowledges: true })
    const [sent] = messages(topic, { count: 1, keys: 1 })
    assert.ok(sent)
    await driver.publish([{ ...sent, headers: { kept: 'ü', [HEADER.attempt]: '1' } }])
    await until(
      () => failing.deliveries.length === 1,
      () => failing.deliveries.length,
    )
    const headers = { [HEADER.attempt]: '2', [HEADER.error]: 'Größe "fehlt"\nin line 2' }
    await failing.settle([{ kind: 'retry', delivery: failing.delivery(sent.id), headers, afterMs: 100 }])
    await until(
      () => failing.deliveries.length === 2,
      () => failing.deliveries.length,
    )
    const { message, unsettledBefore } = failing.delivery(sent.id)
    assert.deepEqual({ ...message, body: [...message.body] }, { ...sent, headers: { kept: 'ü', ...headers }, body: [...sent.body] })
    assert.equal(unsettledBefore, 0)
    await failing.ack(failing.delivery(sent.id))
    await quiet()
    assert.deepEqual([failing.deliveries.length, fine.deliveries.length], [2, 1])
    assert.deepEqual(
      { ...emptyDepth, ...(await driver.admin.depth(topic, 'failing')), members: 0, oldestMs: 0 },
      { ...emptyDepth, members: 0, oldestMs: 0 },
    )
  }),

  retrying(
    'delays of 0.2, 0.4, 0.8, 1.6, 3.2 s: none early, none more than 500 ms late',
    async (room) => {
      const topic = room.topic()
      const driver = await room.connect()
      const delaysMs = [200, 400, 800, 1_600, 3_200]
      const back = new Map<string, number>()
      const failedAt = new Map<string, number>()
      const group = await room.member(driver, {
        topics: [topic],
        delaysMs,
        onDeliveries(deliveries) {
          for (const { message } of deliveries) if (failedAt.has(message.id)) back.set(message.id, Date.now())
        },
      })
      const sent = messages(topic, { count: 25, keys: 5 })
      await driver.publish(sent)
      await until(
        () => group.deliveries.length === 25,
        () => group.deliveries.length,
      )
      const afterMs = (n: number) => delaysMs[n % 5] ?? 0
      for (const { id } of sent) failedAt.set(id, Date.now())
      await group.settle(sent.map(({ id }, n) => ({ kind: 'retry', delivery: group.delivery(id), headers: {}, afterMs: afterMs(n) })))
      assert.equal((await driver.admin.depth(topic, 'g')).delayed ?? 25, 25)
      await until(
        () => back.size === 25,
        () => back.size,
      )
      for (const [n, { id }] of sent.entries()) {
        const tookMs = (back.get(id) ?? 0) - (failedAt.get(id) ?? 0)
        assert.ok(tookMs >= afterMs(n) && tookMs <= afterMs(n) + LATE_MS, `${afterMs(n)} ms took ${tookMs} ms`)
      }
      assert.equal(group.deliveries.length, 50)
    },
    { alone: true },
  ),

  retrying('a failed message leaves the line: its key and others go on meanwhile', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const sent = messages(topic, { count: 30, keys: 3 })
    const failed: Delivery[] = []
    const group = await room.member(driver, {
      topics: [topic],
      limit: 1,
      delaysMs: [LONG_MS],
      acknowledges({ message }) {
        return failed.length > 0 || message.id !== sent[0]?.id
      },
    })
    await driver.publish(sent)
    await until(
      () => group.ids().includes(sent[0]?.id ?? ''),
      () => group.ids(),
    )
    const delivery = group.delivery(sent[0]?.id ?? '')
    failed.push(delivery)
    await group.settle([{ kind: 'retry', delivery, headers: { [HEADER.attempt]: '2' }, afterMs: LONG_MS }])
    await until(
      () => group.deliveries.length === 31,
      () => group.ids().length,
    )
    assert.equal(group.ids().at(-1), sent[0]?.id)
    assert.deepEqual(sorted(group.ids().slice(0, 30)), sorted(idsOf(sent)))
  }),

  retrying('a hundred failures of one message, one at a time, are a hundred deliveries', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const group = await room.member(driver, { topics: [topic], delaysMs: [0] })
    const [sent] = messages(topic, { count: 1, keys: 1 })
    assert.ok(sent)
    await driver.publish([sent])
    for (let attempt = 1; attempt <= 100; attempt++) {
      await until(
        () => group.deliveries.length === attempt,
        () => [attempt, group.deliveries.length],
      )
      const delivery = group.delivery(sent.id)
      if (attempt > 1) assert.equal(delivery.message.headers[HEADER.attempt], String(attempt))
      await group.settle([{ kind: 'retry', delivery, headers: { [HEADER.attempt]: String(attempt + 1) }, afterMs: 0 }])
    }
    await until(
      () => group.deliveries.length === 101,
      () => group.deliveries.length,
    )
    assert.deepEqual([...group.delivery(sent.id).message.body], [...sent.body])
  }),

  retrying('acknowledgements, retries and dead letters in one call, each as it was said', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const group = await room.member(driver, { topics: [topic] })
    const sent = messages(topic, { count: 90, keys: 9 })
    await driver.publish(sent)
    await until(
      () => group.deliveries.length === 90,
      () => group.deliveries.length,
    )
    const part = (n: number) => idsOf(sent.filter((_, i) => i % 3 === n))
    await group.settle(
      sent.map(({ id }, i) => {
        const delivery = group.delivery(id)
        if (i % 3 === 0) return { kind: 'ack', delivery }
        return i % 3 === 1 ? { kind: 'retry', delivery, headers: {}, afterMs: 100 } : { kind: 'deadLetter', delivery, headers: {} }
      }),
    )
    await until(
      () => group.deliveries.length >= 120,
      () => group.deliveries.length,
    )
    await quiet()
    assert.deepEqual(sorted(group.ids().slice(90)), sorted(part(1)))
    assert.deepEqual(sorted((await driver.admin.deadLetters({ topic })).letters.map(({ message }) => message.id)), sorted(part(2)))
  }),

  retrying(
    'delays hold when the clocks of two members are two minutes apart',
    async (room) => {
      const topic = room.topic()
      const shifted = (byMs: number) => ({
        clock: {
          now: () => Date.now() + byMs,
          after(ms: number, fn: () => void) {
            const timer = setTimeout(fn, ms)
            return () => clearTimeout(timer)
          },
        },
      })
      const members = [
        // Where a topic has partitions, the two do not share it to the message.
        await room.member(await room.connect(shifted(0)), { topics: [topic], limit: 30 }),
        await room.member(await room.connect(shifted(120_000)), { topics: [topic], limit: 30 }),
      ]
      const driver = await room.connect()
      await driver.publish(messages(topic, { count: 40, keys: 40 }))
      const total = () => members.reduce((sum, { deliveries }) => sum + deliveries.length, 0)
      await until(
        () => total() === 40,
        () => total(),
      )
      const failedAt = Date.now()
      for (const { deliveries, settle } of members)
        await settle(deliveries.map((delivery) => ({ kind: 'retry', delivery, headers: {}, afterMs: 1_000 })))
      await quiet(900 - (Date.now() - failedAt))
      assert.equal(total(), 40)
      await until(
        () => total() === 80,
        () => total(),
      )
      assert.ok(Date.now() - failedAt <= 1_000 + LATE_MS, `took ${Date.now() - failedAt} ms`)
    },
    { alone: true },
  ),
]

const emptyDepth = { ready: 0, dead: 0, inFlight: 0, delayed: 0 }
