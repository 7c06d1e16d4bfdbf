import { startRabbitmq } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createMessaging } from '../../messaging.ts'
import { member, openRoom, quiet, until } from './fixtures/room.ts'

// Clients that are not ours, beside members of ours on one queue.

const running = await startRabbitmq()
afterAll(() => running?.stop())
const url = running?.url ?? ''

/** A member as a service has one, and the codes of what it warns of. */
async function service(topic: string): Promise<{ readonly warned: string[]; readonly close: () => Promise<void> }> {
  const warned: string[] = []
  const logger = pino({ level: 'warn' }, { write: (line: string) => void warned.push(JSON.parse(line).err?.code) })
  const messaging = createMessaging({ broker: 'rabbitmq', url, service: 's', env: {}, logger })
  onTestFinished(() => messaging.close())
  messaging.handle({ topic, group: 'g' }, () => {})
  await messaging.start()
  return { warned, close: () => messaging.close() }
}

describe.skipIf(!running)("a group's own queue", () => {
  test('in which a client that is not ours consumes: it is said; members of ours are not taken for one', async () => {
    const room = openRoom(url)
    const members = [await service(room.topic), await service(room.topic), await service(room.topic)]
    await quiet(3_000)
    expect(members.flatMap(({ warned }) => warned)).toEqual([])
    for (const one of members) await one.close()
    const { channel } = await room.bare()
    await channel.consume(`${room.topic}:g`, () => {})
    const { warned } = await service(room.topic)
    await until(() => warned.length > 0)
    await quiet(6_000)
    expect(warned).toEqual(['GROUP_FOREIGN'])
    expect((await channel.checkQueue(`${room.topic}:g`)).consumerCount).toBe(2)
  }, 60_000)
})

describe.skipIf(!running)('a queue of others', () => {
  test('is read again by one consumer when its connection was cut, and so is our own beside it', async () => {
    const room = openRoom(url)
    const { channel } = await room.bare()
    const queue = `shop.${room.topic}`
    await channel.assertQueue(queue, { durable: true })
    const group = await member(await room.connected(), { topics: [room.topic], source: { queue }, acknowledges: true })
    for (let n = 1; n <= 3; n++) {
      await running?.ctl('close_all_connections', 'for the test')
      await until(() => group.states.filter(({ kind }) => kind === 'reconnecting').length === n)
      await until(() => group.states.at(-1)?.kind === 'consuming')
    }
    const bare = await room.bare()
    await bare.publish('', queue, '{}', { messageId: 'theirs' })
    await bare.publish('', `${room.topic}:g`, '{}', { messageId: 'ours' })
    await group.nth(2)
    const counts = [await bare.channel.checkQueue(queue), await bare.channel.checkQueue(`${room.topic}:g`)]
    expect(counts.map(({ consumerCount }) => consumerCount)).toEqual([1, 1])
  }, 60_000)
})
