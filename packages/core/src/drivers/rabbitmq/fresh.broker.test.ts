import { startRabbitmq } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createMessaging } from '../../messaging.ts'
import { newId } from '../../wire/id.ts'
import { quiet, until } from './fixtures/room.ts'

const running = await startRabbitmq()
afterAll(() => running?.stop())
// Killed within two seconds of its first stream ever a broker has lost that for good, whoever made it.
const FIRST_STREAM_MS = 3_000

function service(topic: string, onHandled: (input: string) => void) {
  const messaging = createMessaging({ broker: 'rabbitmq', url: running?.url ?? '', service: 'tests', env: { LOG_LEVEL: 'silent' } })
  onTestFinished(() => messaging.close())
  messaging.handle({ topic, group: 'g', maxRetries: 0 }, (input: string) => {
    if (input === 'hopeless') throw new Error('no')
    onHandled(input)
  })
  return messaging
}

describe.skipIf(!running)('a broker that is killed as soon as', () => {
  // Delays are there already: the last queue that is made is the one of the dead letters.
  test('a group has begun: its dead letters can be stored, and what was confirmed is there', async () => {
    await service(`t-${newId()}`, () => {}).start()
    await quiet(FIRST_STREAM_MS)
    const topic = `t-${newId()}`
    const handled: string[] = []
    const messaging = service(topic, (input) => handled.push(input))
    await messaging.start()
    await running?.kill()
    await messaging.getProducer().sendAll(topic, [{ message: 'hopeless' }, { message: 'fine' }])
    const { admin } = await messaging.driver()
    await until(async () => (await admin.depth(topic, 'g')).dead === 1)
    expect(handled).toEqual(['fine'])
  }, 60_000)

  test('something was published to a new topic: it is there', async () => {
    const topic = `t-${newId()}`
    const handled: string[] = []
    const messaging = service(topic, (input) => handled.push(input))
    await messaging.getProducer().send(topic, 'first')
    await running?.kill()
    await messaging.start()
    await until(() => handled.length === 1)
  }, 60_000)
})
