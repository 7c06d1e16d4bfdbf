import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Delivery, Driver, Message } from '../../driver.ts'
import { PublishError } from '../../errors.ts'
import { CHANNEL, type StateRecord } from '../../observe/channels.ts'
import { newId } from '../../wire/id.ts'
import { type CaseOptions, type ConformanceCase, casesOf } from './case.ts'
import { idsOf, messages, numberIn, type Room, sorted } from './room.ts'
import type { ConformanceTarget, Faults } from './target.ts'
import { quiet, until } from './wait.ts'

const outage = casesOf('Network and broker')

/** How soon after an outage everything goes on. */
const BACK_MS = 15_000
const PUBLISHERS = 100
const LIMIT = 50

type Fault = Exclude<keyof Faults, 'freeze'>

const WHY: Readonly<Record<Fault, string>> = {
  restart: 'this broker cannot be restarted here',
  kill: 'this broker cannot be killed here',
  cut: 'nothing stands between this broker and its clients',
  refuse: 'nothing stands between this broker and its clients',
}

const needing = (fault: Fault, options: CaseOptions = {}): CaseOptions => ({
  alone: true,
  timeoutMs: 180_000,
  needs: (_, { faults }: ConformanceTarget) => (faults?.[fault] ? undefined : WHY[fault]),
  ...options,
})

const does = ({ target }: Room, fault: Fault, forMs = 0): Promise<void> =>
  target.faults?.[fault]?.(forMs) ?? Promise.reject(new Error(WHY[fault]))

/** Publishes until it is confirmed, as somebody would who has an outbox: the same message again, with the same id. */
async function insist(driver: Driver, some: readonly Message[]): Promise<void> {
  for (let left = some; left.length > 0; ) {
    try {
      return await driver.publish(left)
    } catch (error) {
      assert.ok(error instanceof PublishError, `rejected with ${error}`)
      const failed = new Set(error.failures.map(({ id }) => id))
      left = left.filter(({ id }) => failed.has(id))
      await quiet(50)
    }
  }
}

/** Two members handle what a hundred publishers send, and the fault happens at a third and at half of it. */
function underLoad(fault: 'restart' | 'kill', count: number): (room: Room) => Promise<void> {
  return async (room) => {
    const topic = room.topic()
    const sent = messages(topic, { count, keys: 500 })
    const handled: string[] = []
    const take = (deliveries: readonly Delivery[], ack: (...done: readonly Delivery[]) => Promise<void>) => {
      for (const delivery of deliveries)
        setTimeout(() => {
          handled.push(delivery.message.id)
          void ack(delivery).catch(() => {}) // it comes again
        }, 1)
    }
    for (let i = 0; i < 2; i++) await room.member(await room.connect(), { topics: [topic], limit: LIMIT, onDeliveries: take })
    const publisher = await room.connect()
    let next = 0
    const publishing = Array.from({ length: PUBLISHERS }, async () => {
      for (let n = next++; n < count; n = next++) await insist(publisher, sent.slice(n, n + 1))
    })
    for (const share of [1 / 3, 1 / 2]) {
      await until(
        () => new Set(handled).size >= count * share,
        () => [next, handled.length],
        60_000,
      )
      await does(room, fault)
    }
    await Promise.all(publishing)
    await until(
      () => new Set(handled).size === count,
      () => [next, new Set(handled).size],
      60_000,
    )
    await quiet(500)
    assert.deepEqual(sorted([...new Set(handled)]), sorted(idsOf(sent)))
    // What was out at the members, and what was confirmed but nobody had heard of it.
    const most = 2 * (2 * LIMIT + PUBLISHERS)
    assert.ok(handled.length - count <= most, `${handled.length - count} of ${count} were handled twice, at most ${most} may be`)
    const { ready, dead } = await publisher.admin.depth(topic, 'g')
    assert.deepEqual({ ready, dead }, { ready: 0, dead: 0 })
  }
}

/**
 * Some are being handled whenever the broker goes away; none of them has done anything wrong. Each outage begins when all is well and work is
 * under way, and is over when every member has seen it and is back: so it does not matter whether the broker takes back what was being
 * handled, or leaves it where it is.
 */
function interrupted(times: number, { fault, members }: { fault: 'restart' | 'refuse'; members: number }): (room: Room) => Promise<void> {
  return async (room) => {
    const topic = room.topic()
    const held = new Set<AbortSignal>()
    const noticed = new Set<string>()
    let open = true
    const done = new Set<number>()
    // Each member has a service of its own, so that what is said of it can be told apart; no other case has their group.
    const shared = { group: `g-${newId()}`, shared: true }
    const options = { topic, ...shared, maxRetries: 0, concurrency: 5, handlerTimeoutMs: 120_000 }
    const services = Array.from({ length: members }, (_, n) => `member-${n}`)
    const group = services.map((service) => room.messaging({ service, shutdownMs: 100, crashLimit: 2 }))
    for (const messaging of group) {
      messaging.handle(options, async ({ n }: { n: number }, { signal, attempt }) => {
        assert.equal(attempt, 1)
        held.add(signal)
        while (!open && !signal.aborted) await quiet(20)
        held.delete(signal)
        if (!open) throw signal.reason
        done.add(n)
      })
      await messaging.start()
    }
    const onState = (record: unknown) => {
      const { service, state, group } = record as StateRecord // the channel's own
      if (state === 'reconnecting' && group === shared.group) noticed.add(service)
    }
    subscribe(CHANNEL.state, onState)
    room.onLeave(() => unsubscribe(CHANNEL.state, onState))
    const [messaging] = group
    assert.ok(messaging)
    const send = (from: number) =>
      messaging.getProducer().sendAll(
        topic,
        Array.from({ length: 10 }, (_, n) => ({ message: { n: from + n }, key: n })),
      )
    const finished = (count: number) =>
      until(
        () => done.size === count,
        () => [...done],
        60_000,
      )
    const working = () => [...held].filter(({ aborted }) => !aborted).length
    const allWell = () =>
      until(
        () => working() > 0 && group.every((one) => one.health().ready),
        () => [working(), group.map((one) => one.health().reasons)],
        BACK_MS,
      )
    await send(0)
    await finished(10)
    open = false
    await send(10)
    for (let life = 0; life < times; life++) {
      await allWell()
      noticed.clear()
      await does(room, fault, 200)
      await until(
        () => noticed.size === members,
        () => [...noticed],
        BACK_MS,
      )
    }
    await allWell()
    open = true
    await finished(20)
    const { admin } = await messaging.driver()
    assert.equal((await admin.depth(topic, shared.group)).dead, 0)
  }
}

/** A member and a publisher on the line that breaks. */
function broken(breaks: (room: Room) => Promise<void>): (room: Room) => Promise<void> {
  return async (room) => {
    const topic = room.topic()
    const member = await room.member(await room.connect(), { topics: [topic], limit: 20, acknowledges: true })
    const publisher = await room.connect()
    const sent: Message[] = []
    const publish = async (count: number) => {
      const some = messages(topic, { count, keys: 5 })
      sent.push(...some)
      await insist(publisher, some)
    }
    await publish(50)
    await until(
      () => member.deliveries.length >= 50,
      () => member.deliveries.length,
    )
    await breaks(room)
    const brokenAt = performance.now()
    await publish(50)
    await until(
      () => sent.every(({ id }) => member.ids().includes(id)),
      () => [sent.length, member.deliveries.length],
      2 * BACK_MS,
    )
    const tookMs = performance.now() - brokenAt
    assert.ok(tookMs <= BACK_MS, `back after ${Math.round(tookMs)} ms`)
    assert.ok(member.deliveries.length <= sent.length + 100, `${member.deliveries.length} deliveries of ${sent.length}`)
    assert.deepEqual(
      member.states.map(({ kind }) => kind).filter((kind, i, all) => kind !== all[i - 1]),
      ['consuming', 'reconnecting', 'consuming'],
    )
    assert.equal((await publisher.admin.depth(topic, 'g')).dead, 0)
  }
}

export const outageCases: readonly ConformanceCase[] = [
  outage(
    'the broker restarted at a third and at half of 3,000 messages from 100 publishers: none lost, none dead',
    underLoad('restart', 3_000),
    needing('restart'),
  ),
  outage(
    'the broker killed at a third and at half of 3,000 messages from 100 publishers: none lost, none dead',
    underLoad('kill', 3_000),
    needing('kill'),
  ),
  outage('the same restarts at 10,000 messages', underLoad('restart', 10_000), needing('restart', { soak: true })),
  outage('the same kills at 10,000 messages', underLoad('kill', 10_000), needing('kill', { soak: true })),
  outage(
    'three restarts of the broker in the middle of the work dead-letter nothing',
    interrupted(3, { fault: 'restart', members: 1 }),
    needing('restart'),
  ),
  outage(
    'nor does a broker that is away eight times, with three members that get the same messages in turn',
    interrupted(8, { fault: 'refuse', members: 3 }),
    needing('refuse'),
  ),
  outage(
    'ten restarts of the broker in the middle of the work dead-letter nothing',
    interrupted(10, { fault: 'restart', members: 1 }),
    needing('restart', { soak: true, timeoutMs: 300_000 }),
  ),

  outage(
    'per key in publish order, also over a restart of the broker, once repeats are left out',
    async (room) => {
      const topic = room.topic()
      const publisher = await room.connect()
      const sent = messages(topic, { count: 2_000, keys: 7 })
      await publisher.publish(sent.slice(0, 500))
      const rest = Array.from({ length: 150 }, (_, i) => publisher.publish(sent.slice(500 + 10 * i, 510 + 10 * i)))
      const outcomes = Promise.allSettled(rest)
      await does(room, 'restart')
      const confirmed = [...sent.slice(0, 500)]
      for (const [i, { status }] of (await outcomes).entries())
        if (status === 'fulfilled') confirmed.push(...sent.slice(500 + 10 * i, 510 + 10 * i))
      const group = await room.member(await room.connect(), { topics: [topic], limit: 1_000, acknowledges: true })
      await until(
        () => {
          const seen = new Set(group.ids())
          return confirmed.every(({ id }) => seen.has(id))
        },
        () => [confirmed.length, group.deliveries.length],
        60_000,
      )
      const first = new Map(group.deliveries.map(({ message }) => [message.id, message] as const))
      for (let key = 0; key < 7; key++) {
        const numbers = [...first.values()].filter((message) => message.key === `k${key}`).map(numberIn)
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
        )
      }
    },
    needing('restart'),
  ),

  outage(
    'connections that are cut without a word: back by itself within 15 s, nothing lost, said once each way',
    broken((room) => does(room, 'cut')),
    needing('cut'),
  ),
  outage(
    'a broker that refuses connections for 3 s: back by itself, nothing lost, said once each way',
    broken((room) => does(room, 'refuse', 3_000)),
    needing('refuse'),
  ),
]
