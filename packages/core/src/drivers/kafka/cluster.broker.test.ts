import { type Kafka, startKafkaCluster } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Driver, Message } from '../../driver.ts'
import { PublishError } from '../../errors.ts'
import { createTopics } from './fixtures/create-topics.ts'
import { delivered, outOfOrder, publishAt, watch } from './fixtures/load.ts'
import { type Member, member, messages, openRoom, until } from './fixtures/room.ts'

const nodes = (await startKafkaCluster()) ?? []
afterAll(() => Promise.all(nodes.map((node) => node.stop())))

const soak = process.env.COREBUS_SOAK === '1'
const LIMIT = 200
const MOST_SILENCE_MS = 15_000
const servers = nodes.map(({ url }) => url).join(',')

/** Until the test is over, at the latest. */
async function down(node: Kafka): Promise<() => Promise<void>> {
  let back: Promise<void> | undefined
  const up = () => {
    back ??= node.up()
    return back
  }
  onTestFinished(up, 60_000)
  await node.down()
  return up
}

describe.skipIf(nodes.length === 0)('three brokers', () => {
  test('a broker that is down takes with it what it alone has, and nothing else: who comes then is served, and the rest follows', async () => {
    const { topic, group, ...room } = openRoom(servers)
    const { admin } = await room.bare()
    const last = nodes[2] as Kafka
    // The partition with the one key is the last broker's alone, as it would be on a topic without replicas.
    const replicaAssignment = [1, 1, 2, 3].map((node, partition) => ({ partition, replicas: [node] }))
    await createTopics(admin, [{ topic, replicaAssignment }])
    const early = await room.connected({ publishTimeoutMs: 5_000 })
    const before = await member(early, { topics: [topic], group, acknowledges: true })
    const sent = messages(topic, 40, { keys: 40 })
    await early.publish(sent)
    await before.nth(40)

    const up = await down(last)
    await until(async () => (await leaderless(early, topic, sent)).length > 0)
    const driver = await room.connected({ url: `${last.url},${nodes[0]?.url}`, publishTimeoutMs: 5_000 })
    const after = await member(driver, { topics: [topic], group: `${group}-new`, acknowledges: true })
    const failed = new Set(await leaderless(driver, topic, sent))
    expect(failed.size).toBeGreaterThan(0)
    expect(failed.size).toBeLessThan(30)
    // All that the others have: what was sent twice by now or more, and of the lost partition nothing.
    await until(() => sent.every(({ id }) => failed.has(id) || after.ids().includes(id)))
    expect(after.ids().filter((id) => failed.has(id))).toEqual([])
    expect((await driver.admin.depth(topic, group)).ready).toBe(0)

    await up()
    await until(() => sent.every(({ id }) => after.ids().includes(id)), 30_000)
    await until(async () => (await leaderless(driver, topic, sent)).length === 0)
  }, 120_000)

  test('too few replicas: a publish rejects after its time and says so, and goes on as soon as there are enough', async () => {
    const { topic, ...room } = openRoom(servers)
    const { admin } = await room.bare()
    const configEntries = [{ name: 'min.insync.replicas', value: '3' }]
    await createTopics(admin, [{ topic, numPartitions: 1, replicationFactor: 3, configEntries }])
    const driver = await room.connected({ publishTimeoutMs: 4_000 })
    await driver.publish(messages(topic, 1))
    const [first] = nodes as [Kafka]
    const up = await down(first)
    const refused: PublishError[] = []
    const publish = () => driver.publish(messages(topic, 1)).catch((error: PublishError) => void refused.push(error))
    // It may have been the leader, and counts as a replica until the others have noticed.
    const says = ({ message, failures }: PublishError) => /NOT_ENOUGH_REPLICAS/.test(`${message} ${failures[0]?.cause.message}`)
    await until(() => publish().then(() => refused.some(says)), 30_000)
    expect(refused.flatMap(({ failures }) => failures).every(({ permanent }) => !permanent)).toBe(true)
    await up()
    await until(
      () =>
        driver.publish(messages(topic, 1)).then(
          () => true,
          () => false,
        ),
      30_000,
    )
  }, 120_000)

  const turns = soak
    ? ([
        ['restart', nodes],
        ['kill', nodes],
      ] as const)
    : ([
        ['restart', nodes.slice(0, 1)],
        ['kill', nodes.slice(1, 2)],
      ] as const)
  test.each(turns)(
    '%s in turn at 1,500 messages a second: nothing confirmed is lost, order per key holds, nobody is silent for 15 s',
    async (fault, ofThese) => {
      const { topic, group, ...room } = openRoom(servers)
      const readers: Member[] = []
      for (let i = 0; i < 2; i++)
        readers.push(await member(await room.connected(), { topics: [topic], group, limit: LIMIT, acknowledges: true }))
      const publisher = await room.connected()
      const load = publishAt(publisher, topic, { perSecond: 1_500 })
      const silence = watch(readers)
      await until(() => delivered(readers) > 1_000)
      for (const node of ofThese) {
        const before = load.confirmed.length
        await node[fault]()
        await until(() => load.confirmed.length > before + 1_500, 60_000)
      }
      await load.stop()
      const seen = () => new Set(readers.flatMap((reader) => reader.ids()))
      // The set is made once: a question for each of 30,000 would take minutes.
      const allSeen = (ids: ReadonlySet<string>) => load.confirmed.every((id) => ids.has(id))
      await until(() => allSeen(seen()), 60_000)

      expect(silence.stop()).toBeLessThan(MOST_SILENCE_MS)
      for (const reader of readers) expect(outOfOrder(reader.ids(), load)).toEqual([])
      const twice = delivered(readers) - seen().size
      // What was out, and what was sent again because its confirm was lost.
      expect(twice).toBeLessThanOrEqual(ofThese.length * (2 * LIMIT + 1_500))
      expect((await publisher.admin.depth(topic, group)).dead).toBe(0)
    },
    400_000,
  )
})

/** Sends all of them again, under the same ids; those that are not confirmed. */
async function leaderless(driver: Driver, topic: string, sent: readonly Message[]): Promise<readonly string[]> {
  try {
    await driver.publish(sent.map((message) => ({ ...message, topic })))
    return []
  } catch (error) {
    if (!(error instanceof PublishError)) throw error
    return error.failures.map(({ id }) => id)
  }
}
