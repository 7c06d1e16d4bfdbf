import assert from 'node:assert/strict'
import { type ConformanceCase, casesOf } from './case.ts'
import { idsOf, messages, outOfOrder, sorted } from './room.ts'
import { quiet, until } from './wait.ts'

const stopping = casesOf('Time-out, stop and crash')

export const stopCases: readonly ConformanceCase[] = [
  stopping('after stop nothing new arrives, and what is in flight can still be settled', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const member = await room.member(driver, { topics: [topic], limit: 5 })
    await driver.publish(messages(topic, { count: 20 }))
    await until(
      () => member.deliveries.length === 5,
      () => member.deliveries.length,
    )
    await member.stop()
    await member.stop()
    const held = [...member.deliveries]
    await member.ack(...held)
    await driver.publish(messages(topic, { count: 5 }))
    await quiet()
    assert.equal(member.deliveries.length, held.length)
    const other = await room.member(driver, { topics: [topic], acknowledges: true })
    await until(
      () => other.deliveries.length >= 25 - held.length,
      () => other.deliveries.length,
    )
    await quiet()
    assert.equal(other.deliveries.length, 25 - held.length)
    for (const { message } of held) assert.ok(!other.ids().includes(message.id), 'a settled message came again')
  }),

  stopping('close hands back what is unsettled, uncounted, to another member', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const member = await room.member(driver, { topics: [topic], limit: 10 })
    const publisher = await room.connect()
    const sent = messages(topic, { count: 30, keys: 4 })
    await publisher.publish(sent)
    await until(
      () => member.deliveries.length === 10,
      () => member.deliveries.length,
    )
    const acked = member.deliveries.slice(0, 3)
    await member.ack(...acked)
    await driver.close()
    await driver.close()
    const other = await room.member(publisher, { topics: [topic], acknowledges: true })
    await until(
      () => other.deliveries.length >= 27,
      () => other.deliveries.length,
    )
    await quiet()
    assert.deepEqual(sorted([...idsOf(acked), ...other.ids()]), sorted(idsOf(sent)))
    assert.deepEqual(
      other.deliveries.filter(({ unsettledBefore }) => unsettledBefore > 0),
      [],
    )
    if (room.target.capabilities.orderedAcrossProcesses) assert.deepEqual(outOfOrder(other.deliveries), [])
  }),

  stopping('a member that closes after it has stopped hands back what it still held', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const member = await room.member(driver, { topics: [topic] })
    const other = await room.connect()
    await other.publish(messages(topic, { count: 5, keys: 1 }))
    await until(
      () => member.deliveries.length === 5,
      () => member.deliveries.length,
    )
    await member.stop()
    await driver.close()
    const next = await room.member(other, { topics: [topic], acknowledges: true })
    await until(
      () => next.deliveries.length === 5,
      () => next.deliveries.length,
    )
    assert.deepEqual(next.ids(), member.ids())
  }),

  stopping('twenty members that close in turn, holding, dead-letter, count and lose nothing', async (room) => {
    const topic = room.topic()
    const publisher = await room.connect()
    const sent = messages(topic, { count: 20, keys: 5 })
    await publisher.publish(sent)
    for (let turn = 0; turn < 20; turn++) {
      const driver = await room.connect()
      const member = await room.member(driver, { topics: [topic] })
      await until(
        () => member.deliveries.length === 20,
        () => member.deliveries.length,
      )
      assert.deepEqual(
        member.deliveries.filter(({ unsettledBefore }) => unsettledBefore > 0),
        [],
      )
      await driver.close()
    }
    const last = await room.member(publisher, { topics: [topic], acknowledges: true })
    await until(
      () => last.deliveries.length >= 20,
      () => last.deliveries.length,
    )
    assert.deepEqual(sorted(last.ids()), sorted(idsOf(sent)))
    assert.equal((await publisher.admin.depth(topic, 'g')).dead, 0)
  }),

  stopping('settling twice, after stop, after close, or what another connection holds: harmless', async (room) => {
    const topic = room.topic()
    const [a, b] = [await room.connect(), await room.connect()]
    const first = await room.member(a, { topics: [topic], limit: 4 })
    const second = await room.member(b, { topics: [topic], limit: 4 })
    const sent = messages(topic, { count: 64, keys: 64 })
    await b.publish(sent)
    await until(
      () => first.deliveries.length === 4 && second.deliveries.length === 4,
      () => [first.deliveries.length, second.deliveries.length],
    )
    const [mine, kept] = first.deliveries
    const [theirs] = second.deliveries
    assert.ok(mine && kept && theirs)
    await first.ack(mine)
    await first.ack(mine)
    await first.settle([{ kind: 'retry', delivery: mine, headers: {}, afterMs: 0 }])
    await first.settle([{ kind: 'deadLetter', delivery: mine, headers: {} }])
    // Not ours: it stays with the one who holds it.
    await first.settle([{ kind: 'deadLetter', delivery: theirs, headers: {} }])
    await first.settle([{ kind: 'ack', delivery: theirs }])
    assert.equal((await b.admin.depth(topic, 'g')).dead, 0)
    await first.stop()
    await first.ack(mine)
    await a.close()
    await first.ack(kept)
    await first.settle([{ kind: 'retry', delivery: kept, headers: {}, afterMs: 0 }])
    second.limit(100)
    // The three that were handed back are among them, and the one whose settlement came too late; not the settled one.
    await until(
      () => second.deliveries.length >= 63,
      () => second.deliveries.length,
    )
    await quiet()
    assert.deepEqual(sorted([mine.message.id, ...second.ids()]), sorted(idsOf(sent)))
  }),

  stopping('an old receipt settles nothing after another member has got the message', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const old = await room.member(driver, { topics: [topic] })
    const other = await room.connect()
    const [sent] = messages(topic, { count: 1 })
    assert.ok(sent)
    await other.publish([sent])
    await until(
      () => old.deliveries.length === 1,
      () => old.deliveries.length,
    )
    await driver.close()
    const next = await room.member(other, { topics: [topic] })
    await until(
      () => next.deliveries.length === 1,
      () => next.deliveries.length,
    )
    await old.ack(old.delivery(sent.id))
    await next.settle([{ kind: 'ack', delivery: old.delivery(sent.id) }])
    const { ready, inFlight = 1 } = await other.admin.depth(topic, 'g')
    assert.equal(ready + inFlight, 1)
    await next.settle([{ kind: 'deadLetter', delivery: next.delivery(sent.id), headers: {} }])
    assert.equal((await other.admin.depth(topic, 'g')).dead, 1)
  }),

  stopping('close during subscribe, with deliveries on their way, and twice at once: safe', async (room) => {
    const topic = room.topic()
    const sent = messages(topic, { count: 50, keys: 5 })
    const publisher = await room.connect()
    await publisher.publish(sent)
    for (let turn = 0; turn < 10; turn++) {
      const driver = await room.connect()
      const subscribing = room.member(driver, { topics: [topic] }).catch((error: unknown) => error)
      if (turn % 2 === 1) await subscribing
      await Promise.all([driver.close(), driver.close()])
      await subscribing
    }
    const member = await room.member(publisher, { topics: [topic], acknowledges: true })
    await until(
      () => member.deliveries.length >= 50,
      () => member.deliveries.length,
    )
    assert.deepEqual(sorted(member.ids()), sorted(idsOf(sent)))
    assert.deepEqual(
      member.deliveries.filter(({ unsettledBefore }) => unsettledBefore > 0),
      [],
    )
  }),
]
