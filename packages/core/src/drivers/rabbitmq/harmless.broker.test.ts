import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startRabbitmq } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import type { BesideOthersOptions } from './fixtures/beside-others.ts'
import { type Picture, pictureOf } from './fixtures/picture.ts'
import { type Bare, messages, openRoom, until } from './fixtures/room.ts'

// What others have on a RabbitMQ is the same before and after, whatever becomes of us.

const running = await startRabbitmq()
afterAll(() => running?.stop())
const url = running?.url ?? ''

interface Line {
  readonly ready?: true
  readonly differences?: number
  readonly given?: string
  readonly topic?: string
  readonly settled?: string
}

async function startOne(options: BesideOthersOptions) {
  const script = join(import.meta.dirname, 'fixtures/beside-others.ts')
  const child = spawn(process.execPath, ['--no-warnings', script, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'close')
  onTestFinished(() => void child.kill('SIGKILL'))
  const said: Line[] = []
  createInterface({ input: child.stdout }).on('line', (line) => line.startsWith('@') && said.push(JSON.parse(line.slice(1))))
  await until(() => said.some(({ ready }) => ready) || child.exitCode !== null, 30_000)
  return {
    said,
    exited,
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    async stop() {
      child.stdin.write('\n')
      expect(await exited).toEqual([0, null])
    },
  }
}

/** Exchanges, queues with what is in them, bindings and a consumer of their own. */
async function makeTheirs({ channel, publish }: Bare, topic: string): Promise<void> {
  await channel.assertExchange('their.dlx', 'direct', { durable: true })
  await channel.assertExchange('their.shop', 'topic', { durable: true, arguments: { 'alternate-exchange': 'their.dlx' } })
  await channel.assertExchange('their.headers', 'headers', { durable: true, autoDelete: true })
  await channel.assertExchange(topic, 'fanout', { durable: true })
  const dead = { 'x-dead-letter-exchange': 'their.dlx', 'x-dead-letter-routing-key': 'dead', 'x-max-length': 1_000 }
  await channel.assertQueue('their.dead', { durable: true })
  await channel.bindQueue('their.dead', 'their.dlx', 'dead')
  await channel.assertQueue('their.held', { durable: true, arguments: { ...dead, 'x-message-ttl': 3_600_000 } })
  await channel.assertQueue('their.work', { durable: true, arguments: { ...dead, 'x-queue-type': 'quorum' } })
  await channel.assertQueue('their.copy', { durable: true })
  await channel.bindQueue('their.copy', topic, '')
  await channel.bindQueue('their.held', 'their.shop', 'held.#')
  await channel.bindQueue('their.held', 'their.headers', '', { 'x-match': 'all', a: 'b' })
  await channel.bindExchange('their.headers', 'their.shop', 'x.*')
  for (let n = 0; n < 10; n++) await publish('', 'their.held', '{}', { messageId: `held${n}` })
  await publish('', 'their.dead', '{}')
  await channel.consume('their.copy', () => {}, { consumerTag: 'theirs' })
}

/** Only what is theirs: a binding of our queue to their exchange is ours. */
async function theirs(topic: string): Promise<Picture> {
  const picture = await pictureOf({ ctl: async (...args) => (await running?.ctl(...args)) ?? '' })
  const isTheirs = (line: string) => /^(their\.|"")/.test(line) || line.startsWith(`${topic}\t`)
  return {
    exchanges: picture.exchanges.filter(isTheirs),
    queues: picture.queues.filter(isTheirs),
    bindings: picture.bindings.filter((line) => isTheirs(line) && /\ttheir\./.test(line)),
    consumers: picture.consumers.filter((line) => line.includes('theirs')),
  }
}

describe.skipIf(!running)('exchanges, queues, bindings, lengths and consumers of others on RabbitMQ', () => {
  test('are the same after starts, refusals, retries, dead letters, stops and kill -9', async () => {
    const room = openRoom(url)
    const { topic } = room
    const bare = await room.bare()
    await makeTheirs(bare, topic)
    const before = await theirs(topic)
    expect([before.exchanges.length, before.queues.length, before.bindings.length, before.consumers.length]).toEqual([4, 4, 5, 1])

    // Refused: one of their exchanges is taken for a topic of ours.
    const refused = await startOne({
      url,
      reads: [
        { topic, does: 'work' },
        { topic: 'their.shop', does: 'work' },
      ],
    })
    expect(await refused.exited).toEqual([1, null])
    expect(await theirs(topic)).toEqual(before)

    const reads: BesideOthersOptions['reads'] = [
      { topic, does: 'work' },
      { topic: `${topic}-shop`, source: { exchange: 'their.shop', bind: 'order.*' }, does: 'work' },
      { topic: `${topic}-work`, source: { queue: 'their.work' }, does: 'work' },
      { topic: `${topic}-held`, source: { queue: 'their.held' }, does: 'hold' },
    ]
    for (const end of ['kill', 'stop', 'kill'] as const) {
      const one = await startOne({ url, reads })
      expect(one.said.some(({ ready }) => ready)).toBe(true)
      for (let n = 0; n < 4; n++) {
        await bare.publish('their.shop', 'order.x', '{}', { messageId: `shop${n}` })
        await bare.publish('', 'their.work', '{}', { messageId: `work${n}` })
      }
      await until(() => one.said.filter(({ settled }) => settled).length === 8)
      await until(() => one.said.filter(({ topic: of }) => of === `${topic}-held`).length >= 4)
      await one[end]()
      await until(async () => (await bare.channel.checkQueue('their.held')).messageCount === 10)
      expect(await theirs(topic)).toEqual(before)
    }

    // What we publish to the topic is theirs too, as they have bound it.
    const driver = await room.connected()
    await driver.publish(messages(topic, 3))
    const after = await theirs(topic)
    expect(after.queues.filter((line) => !line.startsWith('their.copy'))).toEqual(
      before.queues.filter((line) => !line.startsWith('their.copy')),
    )
    expect(await bare.channel.checkQueue('their.copy')).toMatchObject({ consumerCount: 1 })
  }, 120_000)
})
