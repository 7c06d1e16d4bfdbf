import { startKafka } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createMessaging } from '../../messaging.ts'
import { addressOf } from './address.ts'
import { messages, openRoom, until } from './fixtures/room.ts'
import { encodeShare, encodeWish, PROTOCOL } from './group/assigner.ts'
import { Client } from './protocol/client.ts'

const node = await startKafka()
afterAll(() => node?.stop())

/** Longer than a driver that closes tries by itself. */
const SESSION_MS = 9_000

/**
 * A service whose handler has a message, in a group whose leader died in the middle of a round: all have joined, and the leader never says
 * who gets what. Until its session is over the broker takes no commits of anybody.
 */
async function leaderless() {
  const url = node?.url ?? ''
  const { topic, group, ...room } = openRoom(url)
  const { admin } = await room.bare()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })

  const leader = new Client({ address: addressOf({ url, tls: false, auth: undefined, client: {} }) })
  onTestFinished(() => leader.close(0))
  await leader.connect()
  let memberId = ''
  const join = async () => {
    const metadata = encodeWish({ topics: [topic], owned: {}, exclusive: false, since: 0 })
    const groupProtocols = [{ name: PROTOCOL, metadata }]
    const joined = await leader.join(group, { memberId, sessionTimeout: SESSION_MS, rebalanceTimeout: 60_000, groupProtocols })
    memberId = joined.memberId
    return joined
  }
  const sync = async ({ generationId, members }: Awaited<ReturnType<typeof join>>) => {
    const share = { partitions: { [topic]: [0] }, unfinished: false, taken: false }
    const others = members.filter((one) => one.memberId !== memberId)
    const groupAssignment = others.map((one) => ({ memberId: one.memberId, memberAssignment: encodeShare(share) }))
    await leader.sync(group, { memberId, generationId, groupAssignment })
  }
  // Where no group was before, the broker makes the place for it first.
  await sync(await vi.waitFor(join, 10_000))

  const messaging = createMessaging({ broker: 'kafka', url, service: 'tests', logger: pino({ level: 'silent' }), env: {} })
  onTestFinished(() => messaging.close())
  const [called, finish] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let calls = 0
  messaging.handle({ topic, group }, async () => {
    calls++
    called.resolve()
    await finish.promise
  })
  const started = messaging.start()
  await until(async () => {
    const round = await join()
    await sync(round)
    return round.members.length === 2
  })
  await started
  await (await messaging.driver()).publish(messages(topic, 1))
  await called.promise
  await until(async () => (await join()).members.length === 2)
  return {
    finish: finish.resolve,
    messaging,
    health: () => messaging.health().groups[0],
    calls: () => calls,
    committed: () => admin.fetchOffsets({ groupId: group, topics: [topic] }),
  }
}

describe.skipIf(!node)('a leader that died in the middle of a round', () => {
  test('keeps nobody from settling what it has handled before it closes', async () => {
    const { finish, messaging, committed } = await leaderless()
    finish()
    await messaging.close()
    expect(await committed()).toMatchObject([{ partitions: [{ offset: '1' }] }])
  }, 60_000)

  test('and whose broker began anew: the round before it holds, and is committed under', async () => {
    const { finish, health, calls } = await leaderless()
    await node?.restart()
    finish()
    await until(() => health()?.unsettled === 1)
    await until(() => health()?.unsettled === 0)
    expect(health()?.state).toBe('reconnecting')
    await until(() => health()?.state === 'consuming')
    expect(calls()).toBe(1)
  }, 60_000)
})
