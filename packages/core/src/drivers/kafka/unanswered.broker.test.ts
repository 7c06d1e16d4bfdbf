import { chaosProxy, freePort, startKafka } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createMessaging } from '../../messaging.ts'
import { addressOf } from './address.ts'
import { createTopics } from './fixtures/create-topics.ts'
import { messages, openRoom, quiet, until } from './fixtures/room.ts'
import { encodeShare, encodeWish, PROTOCOL } from './group/assigner.ts'
import { Client, type Joined, loadLibrary } from './protocol/client.ts'

await loadLibrary()

const port = await freePort()
const proxy = await chaosProxy({ port })
const node = await startKafka({ behind: { port, advertisedPort: proxy.port } })
afterAll(async () => {
  await node?.stop()
  await proxy.close()
})

/** The session of the scripted leader: longer than a closing driver goes on committing by itself (8 s). */
const SESSION_MS = 9_000
const BEATS_MS = 1_500
/** How long kafkajs waits for the answer to a join. */
const LONGEST_WAIT_MS = 35_000

/** Another member, whose every word is said by the test. */
async function scripted(topic: string, group: string) {
  const client = new Client({ address: addressOf({ url: node?.url ?? '', tls: false, auth: undefined, client: {} }) })
  onTestFinished(() => client.close(0))
  await client.connect()
  const metadata = encodeWish({ topics: [topic], owned: {}, exclusive: false, since: 0 })
  let memberId = ''
  async function join() {
    const groupProtocols = [{ name: PROTOCOL, metadata }]
    const joined = await client.join(group, { memberId, sessionTimeout: SESSION_MS, rebalanceTimeout: 60_000, groupProtocols })
    memberId = joined.memberId
    return joined
  }
  return {
    join,
    /** As the leader: all others get the only partition, which is right while there is one. */
    async sync({ generationId, members }: Joined) {
      const share = { partitions: { [topic]: [0] }, unfinished: false, taken: false }
      const others = members.filter((one) => one.memberId !== memberId)
      const groupAssignment = others.map((one) => ({ memberId: one.memberId, memberAssignment: encodeShare(share) }))
      await client.sync(group, { memberId, generationId, groupAssignment })
    },
    leave: () => client.leave(group, memberId),
  }
}

/** A service whose handler has a message, in a group that another member leads. */
async function led() {
  const { topic, group, ...room } = openRoom(node?.url ?? '')
  const { admin } = await room.bare()
  await createTopics(admin, [{ topic, numPartitions: 1 }])
  const leader = await scripted(topic, group)
  // Where no group was before, the broker makes the place for it first.
  await leader.sync(await vi.waitFor(leader.join, 10_000))

  const url = `127.0.0.1:${proxy.port}`
  const messaging = createMessaging({ broker: 'kafka', url, service: 'tests', logger: pino({ level: 'silent' }), env: {} })
  onTestFinished(() => messaging.close())
  const [called, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let calls = 0
  messaging.handle({ topic, group }, async () => {
    calls++
    called.resolve()
    await held.promise
  })
  const started = messaging.start()
  await until(async () => {
    const round = await leader.join()
    await leader.sync(round)
    return round.members.length === 2
  })
  await started
  const publisher = await room.connected()
  await publisher.publish(messages(topic, 1))
  await called.promise
  return {
    topic,
    group,
    leader,
    messaging,
    finish: held.resolve,
    calls: () => calls,
    health: () => messaging.health().groups[0],
    publish: () => publisher.publish(messages(topic, 1)),
    committed: () => admin.fetchOffsets({ groupId: group, topics: [topic] }),
    /** All have joined, and the leader never says who gets what: until its session is over the broker takes no commits of anybody. */
    async leaderDies() {
      await until(async () => (await leader.join()).members.length === 2)
    },
  }
}

describe.skipIf(!node)('a leader that died in the middle of a round', () => {
  test('keeps nobody from settling what it has handled before it closes', async () => {
    const { leaderDies, finish, messaging, committed } = await led()
    await leaderDies()
    finish()
    await messaging.close()
    expect(await committed()).toMatchObject([{ partitions: [{ offset: '1' }] }])
  }, 60_000)

  test('and whose broker began anew: the round before it holds, and is committed under', async () => {
    const { leaderDies, finish, health, calls } = await led()
    await leaderDies()
    await node?.restart()
    finish()
    await until(() => health()?.unsettled === 1)
    await until(() => health()?.unsettled === 0)
    expect(health()?.state).toBe('reconnecting')
    await until(() => health()?.state === 'consuming')
    expect(calls()).toBe(1)
  }, 60_000)
})

test.skipIf(!node)(
  'the answer to a join that is lost without a word is not waited for until the longest wait for a group would be over',
  async () => {
    const { topic, group, leader, finish, publish, calls } = await led()
    finish()
    const other = await scripted(topic, group)
    const [, round] = await Promise.all([other.join(), leader.join()])
    await leader.sync(round)
    // Ours joins as well, and nobody is answered as long as the other does not come.
    const joining = leader.join()
    await quiet(BEATS_MS)
    proxy.vanish()
    const vanishedAt = performance.now()
    await other.leave()
    await joining
    await leader.leave()
    await publish()
    await vi.waitUntil(() => calls() === 2, { timeout: 50_000, interval: 50 })
    expect(performance.now() - vanishedAt).toBeLessThan(LONGEST_WAIT_MS / 2)
  },
  90_000,
)

test.skipIf(!node)(
  'of connections that are gone without a word the first that is found out is enough',
  async () => {
    const { topic, ...room } = openRoom(`127.0.0.1:${proxy.port}`)
    const driver = await room.connected()
    await driver.ensure({ topics: [topic], groups: [] }, 'create')
    await driver.publish(messages(topic, 1))
    proxy.vanish()
    const publishing = driver.publish(messages(topic, 1))
    // It may be over before anybody looks.
    await until(() => driver.states.some(({ kind }) => kind === 'reconnecting'))
    const foundOutAt = performance.now()
    await until(() => driver.states.at(-1)?.kind === 'connected')
    expect(performance.now() - foundOutAt).toBeLessThan(2_500)
    await publishing
  },
  60_000,
)
