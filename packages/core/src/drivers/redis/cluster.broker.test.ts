import { spawnSync } from 'node:child_process'
import { startRedisCluster } from '@corebus/testbed'
import { afterAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import { deadLetterCases } from '../../testing/conformance/dead-letters.ts'
import { conformanceResults } from '../../testing/conformance/index.ts'
import { publishCases } from '../../testing/conformance/publish.ts'
import { retryCases } from '../../testing/conformance/retry.ts'
import { loadLibrary, redisDriver } from './driver.ts'
import { member, messages, openRoom, until } from './fixtures/room.ts'
import { slotOf } from './slot.ts'

await loadLibrary()

const cluster = await startRedisCluster(3, { config: ['appendfsync everysec'] })
afterAll(() => cluster?.stop())
const nodes = cluster?.nodes ?? []
const url = nodes[0]?.url ?? ''

/** A topic for each node, in their order. */
function topicsOnEach(room: string): readonly string[] {
  return nodes.map((_, n) => {
    for (let i = 0; ; i++) if (Math.floor((slotOf(`${room}-${i}`) * nodes.length) / 16_384) === n) return `${room}-${i}`
  })
}

describe.skipIf(!cluster)('a Redis Cluster of three', () => {
  test('holds what the conformance list says of publishing, retries and dead letters, whose topics lie anywhere in it', async () => {
    const redis = () =>
      redisDriver({
        url,
        service: 'conformance',
        prefix: '',
        publishTimeoutMs: 10_000,
        clock: systemClock,
        durability: 'normal',
        tls: false,
      })
    const target = {
      name: 'redis cluster',
      capabilities: redis().capabilities,
      options: { broker: 'redis' as const, url },
      exceptions: [],
      async connect() {
        const driver = redis()
        await driver.connect(() => {})
        return driver
      },
    }
    // Where messages lie decides nothing about processes and time-outs.
    const cases = [...publishCases, ...retryCases, ...deadLetterCases].filter(({ alone }) => !alone)
    const results = await conformanceResults(target, { cases, atOnce: 2 })
    const failed = [...results].flatMap(([name, result]) => (result.kind === 'failed' ? `${name}: ${result.error.message}` : []))
    expect(failed).toEqual([])
    expect([...results.values()].filter(({ kind }) => kind === 'held').length).toBeGreaterThan(20)
  }, 180_000)

  test('one call and one group over topics on every node', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const topics = topicsOnEach(room.topic)
    const group = await member(driver, { topics, acknowledges: true })
    const sent = topics.flatMap((topic) => messages(topic, 20))
    await driver.publish(sent)
    await group.nth(60)
    expect(new Set(group.ids())).toEqual(new Set(sent.map(({ id }) => id)))
    expect((await driver.admin.topics(topics)).map(({ kept }) => kept)).toEqual([20, 20, 20])
    const held = nodes.map((node, n) => node.cli('XLEN', topics[n] ?? '').trim())
    expect(held).toEqual(['20', '20', '20'])
  })

  test('a node that is restarted is missed by its topics alone, and they come back', async () => {
    const room = openRoom(url)
    const driver = await room.connected({ publishTimeoutMs: 20_000 })
    const [, one = '', two = ''] = topicsOnEach(room.topic)
    const group = await member(driver, { topics: [one, two], acknowledges: true })
    await driver.publish([...messages(one, 1), ...messages(two, 1)])
    await group.nth(2)
    const sent = messages(one, 30)
    const publishing = sent.map((message) => driver.publish([message]))
    await nodes[1]?.restart()
    const beside = messages(two, 10)
    await driver.publish(beside)
    await Promise.all(publishing)
    await until(() => [...sent, ...beside].every(({ id }) => group.ids().includes(id)))
    await until(() => group.states.at(-1)?.kind === 'consuming' && driver.states.at(-1)?.kind === 'connected')
  }, 60_000)

  test('slots that move to another node take publishers, members and what waits with them', async () => {
    const room = openRoom(url)
    const driver = await room.connected({ publishTimeoutMs: 20_000 })
    let topic = ''
    for (let i = 0; topic === ''; i++) if (slotOf(`${room.topic}-${i}`) < 40) topic = `${room.topic}-${i}`
    const group = await member(driver, { topics: [topic], limit: 1_000, delays: [{ afterMs: 3_000, jitter: 0 }] })
    await driver.publish(messages(topic, 5))
    const first = await group.nth(1)
    await group.settle([{ kind: 'retry', delivery: first, headers: {}, afterMs: 3_000 }])
    const [from, to] = [nodes[0]?.cli('CLUSTER', 'MYID').trim() ?? '', nodes[1]?.cli('CLUSTER', 'MYID').trim() ?? '']
    const more = messages(topic, 200)
    const publishing = more.map((message) => driver.publish([message]))
    const moved = spawnSync('redis-cli', [
      ...['--cluster', 'reshard', new URL(url).host, '--cluster-yes', '--cluster-slots', '40'],
      ...['--cluster-from', from, '--cluster-to', to],
    ])
    expect(moved.status).toBe(0)
    await Promise.all(publishing)
    await until(() => more.every(({ id }) => group.ids().includes(id)) && group.ids().filter((id) => id === first.message.id).length === 2)
    expect(group.lost).toEqual([])
    await group.ack(...group.deliveries.slice(1))
    expect(await driver.admin.depth(topic, 'g')).toMatchObject({ ready: 0, inFlight: 0, delayed: 0 })
    expect(nodes[1]?.cli('XLEN', topic).trim()).toBe('205')
  }, 60_000)

  test.each(['shop:orders', '{eu}:orders', 'orders{eu}', 'a}b', '{}'])(
    'a stream by any key, %s: what is ours beside it lies on its node, for topics of ours and for groups that read it as others have it',
    async (name) => {
      const room = openRoom(url)
      const stream = `${name}:${room.topic}`
      const driver = await room.connected({ names: { [room.topic]: stream } })
      const sent = messages(room.topic, 2)
      await driver.publish(sent)
      for (const source of [undefined, { stream }]) {
        const [topic, group] = source ? [`read-${room.topic}`, 'theirs'] : [room.topic, 'ours']
        const reader = await member(driver, { topics: [topic], group, ...(source && { source }) })
        const [one, two] = [await reader.nth(1), await reader.nth(2)]
        await reader.settle([
          { kind: 'retry', delivery: one, headers: {}, afterMs: 30 },
          { kind: 'deadLetter', delivery: two, headers: {} },
        ])
        await reader.ack(await reader.nth(3))
        expect(await driver.admin.replay({ topic }, {})).toBe(1)
        await reader.ack(await reader.nth(4))
        expect(reader.ids()).toEqual([...sent, ...sent].map(({ id }) => id))
        expect(await driver.admin.depth(topic, group)).toMatchObject({ ready: 0, inFlight: 0, dead: 0, delayed: 0 })
        await reader.stop()
      }
    },
  )

  test('dead letters go to a stream of others on whichever node it is', async () => {
    const room = openRoom(url)
    const [topic = '', , elsewhere = ''] = topicsOnEach(room.topic)
    const driver = await room.connected()
    for (const to of [elsewhere, `${topic}:{${topic}}`]) {
      nodes[0]?.cli('-c', 'XGROUP', 'CREATE', to, 'theirs', '0', 'MKSTREAM')
      const group = await member(driver, { topics: [topic], group: `g-${to === elsewhere}`, deadLetter: { to: { stream: to } } })
      const [sent] = messages(topic, 1)
      if (sent) await driver.publish([sent])
      await until(() => group.ids().includes(sent?.id ?? ''))
      const delivery = group.deliveries.find(({ message }) => message.id === sent?.id)
      if (delivery) await group.settle([{ kind: 'deadLetter', delivery, headers: { 'corebus-reason': 'failed' } }])
      expect(nodes[0]?.cli('-c', 'XRANGE', to, '-', '+')).toContain(sent?.id)
      await group.ack(...group.deliveries)
      expect(await driver.admin.depth(topic, `g-${to === elsewhere}`)).toMatchObject({ inFlight: 0, dead: 0 })
      await group.stop()
    }
  })

  test('only its database 0 can be asked for', async () => {
    const other = url.replace(/0$/, '1')
    await expect(openRoom(other).connected()).rejects.toMatchObject({ code: 'CONNECT' })
  })
})
