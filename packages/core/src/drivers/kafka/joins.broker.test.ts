import { startKafka } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Driver, Subscription, SubscriptionState } from '../../driver.ts'
import { addressOf } from './address.ts'
import { outOfOrder, publishAt } from './fixtures/load.ts'
import { messages, openRoom, quiet, until } from './fixtures/room.ts'
import { encodeShare, encodeWish, PROTOCOL } from './group/assigner.ts'
import { Client, loadLibrary } from './protocol/client.ts'

await loadLibrary()

const node = await startKafka()
afterAll(() => node?.stop())

const TIMES = process.env.COREBUS_SOAK === '1' ? 15 : 3
const TURN_MS = 4_000
const STAYS_MS = 2_000
const PER_SECOND = 250
/** So that something is in the hands of members whenever one comes or goes. */
const HANDLED_AFTER_MS = 20
const MOST_SILENCE_MS = 3_000

test.skipIf(!node)(
  `a second member that comes and goes every 4 s, ${TIMES} times, at ${PER_SECOND} messages a second: all are handled, once, in the order of their keys, without a pause`,
  async () => {
    const { topic, group, ...room } = openRoom(node?.url ?? '')
    const handled: string[] = []
    let [lastAt, silentMs] = [Number.POSITIVE_INFINITY, 0]
    const reader = async (driver: Driver) => {
      await driver.ensure({ topics: [topic], groups: [{ topic, group, delays: [], deadLetter: {} }] }, 'create')
      const subscribed = Promise.withResolvers<Subscription>()
      let [mine, out] = [0, 0]
      const subscription = await driver.subscribe({
        topics: [topic],
        group,
        from: 'earliest',
        exclusive: false,
        limit: 100,
        async onDeliveries(deliveries) {
          out += deliveries.length
          await quiet(HANDLED_AFTER_MS)
          handled.push(...deliveries.map(({ message }) => message.id))
          silentMs = Math.max(silentMs, performance.now() - lastAt)
          lastAt = performance.now()
          await (await subscribed.promise).settle(deliveries.map((delivery) => ({ kind: 'ack', delivery })))
          mine += deliveries.length
          out -= deliveries.length
        },
        onLost() {},
        onState() {},
      })
      subscribed.resolve(subscription)
      const leave = async () => {
        await subscription.stop()
        await until(() => out === 0)
        await driver.close()
      }
      return { leave, mine: () => mine }
    }

    const first = await reader(await room.connected())
    const load = publishAt(await room.connected(), topic, { perSecond: PER_SECOND })
    for (let n = 0; n < TIMES; n++) {
      const turn = quiet(TURN_MS)
      const second = await reader(await room.connected())
      await quiet(STAYS_MS)
      await second.leave()
      expect(second.mine()).toBeGreaterThan(0)
      await turn
    }
    await load.stop()
    const published = [...load.numbers.keys()]
    expect(load.confirmed).toHaveLength(published.length)
    await until(() => handled.length >= published.length)
    await quiet(HANDLED_AFTER_MS)

    expect([...handled].sort()).toEqual(published.sort())
    expect(outOfOrder(handled, load)).toEqual([])
    expect(silentMs).toBeLessThan(MOST_SILENCE_MS)
    expect(first.mine()).toBeGreaterThan(0)
  },
  120_000,
)

/** A member that is heard of and comes to no meeting; a member of ours that starts beside it, with more patience than its start has. */
async function keptWaiting(exclusive: boolean) {
  const url = node?.url ?? ''
  const { topic, group, ...room } = openRoom(url)
  const driver = await room.connected({ publishTimeoutMs: 1_000 })
  await driver.ensure({ topics: [topic], groups: [{ topic, group, delays: [], deadLetter: {} }] }, 'create')
  const sent = messages(topic, 1)
  await driver.publish(sent)

  const client = new Client({ address: addressOf({ url, tls: false, auth: undefined, client: {} }) })
  onTestFinished(() => client.close(0))
  await client.connect()
  const groupProtocols = [{ name: PROTOCOL, metadata: encodeWish({ topics: [topic], owned: {}, exclusive, since: 0 }) }]
  const wish = { memberId: '', sessionTimeout: 6_000, rebalanceTimeout: 60_000, groupProtocols }
  // Where no group was before, the broker makes the place for them first.
  const { memberId, generationId } = await vi.waitFor(() => client.join(group, wish), 10_000)
  await client.sync(group, { memberId, generationId, groupAssignment: [] })
  const beats = setInterval(() => void client.heartbeat(group, { memberId, groupGenerationId: generationId }).catch(() => {}), 500)

  const states: SubscriptionState[] = []
  const ids: string[] = []
  await driver
    .subscribe({
      topics: [topic],
      group,
      from: 'earliest',
      exclusive: false,
      limit: 10,
      onDeliveries: (deliveries) => void ids.push(...deliveries.map(({ message }) => message.id)),
      onLost() {},
      onState: (state) => void states.push(state),
    })
    .finally(() => clearInterval(beats))
  expect(states.map(({ kind }) => kind)).toEqual(['reconnecting'])
  return {
    sent,
    states,
    ids,
    leave: () => client.leave(group, memberId),
    async tellsThatItIsTaken() {
      const { generationId, members } = await client.join(group, { ...wish, memberId })
      const memberAssignment = encodeShare({ partitions: {}, unfinished: false, taken: true })
      const groupAssignment = members.map(({ memberId }) => ({ memberId, memberAssignment }))
      await client.sync(group, { memberId, generationId, groupAssignment })
    },
  }
}

describe.skipIf(!node)('a member that others keep waiting for longer than its start may take', () => {
  test('says so, and reads as soon as they are gone', async () => {
    const { sent, states, ids, leave } = await keptWaiting(false)
    await leave()
    await until(() => ids.length > 0)
    expect(ids).toEqual(sent.map(({ id }) => id))
    expect(states.map(({ kind }) => kind)).toEqual(['reconnecting', 'consuming'])
  }, 60_000)

  test('is refused when another wants the topic for itself', async () => {
    const { states, ids, tellsThatItIsTaken } = await keptWaiting(true)
    await tellsThatItIsTaken()
    await until(() => states.length > 1)
    expect(states.at(-1)).toMatchObject({ kind: 'dead', error: { code: 'GROUP_TAKEN' } })
    expect(ids).toEqual([])
  }, 60_000)
})
