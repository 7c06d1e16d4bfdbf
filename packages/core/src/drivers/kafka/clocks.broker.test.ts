import { startKafka } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { collector } from '../../../test/kit.ts'
import { systemClock } from '../../clock.ts'
import type { Clock } from '../../driver.ts'
import { createMessaging } from '../../messaging.ts'
import { newId } from '../../wire/id.ts'
import { until } from './fixtures/room.ts'

const node = await startKafka()
afterAll(() => node?.stop())

const HOURS = 3_600_000

/** A service on a machine whose clock is set by so much; its handler fails once, and with some for good. */
async function service(setBy: () => number) {
  const clock: Clock = { ...systemClock, now: () => Date.now() + setBy() }
  const { logger, lines } = collector('info')
  const options = { broker: 'kafka', url: node?.url ?? '', service: 'tests', logger, env: {}, clock } as const
  const messaging = createMessaging(options)
  onTestFinished(() => messaging.close())
  const topic = `t-${newId()}`
  const handled: string[] = []
  messaging.handle({ topic, group: 'g', maxRetries: 1, retryDelayMs: 200 }, (input: string, { attempt }) => {
    if (attempt === 1 || input === 'dead') throw new Error('no')
    handled.push(input)
  })
  await messaging.start()
  const send = (input: string) => messaging.getProducer().send(topic, input)
  const said = () => lines.filter(({ msg }) => msg.includes('the clock of this machine'))
  return {
    send,
    said,
    handled,
    letters: async () => (await messaging.driver()).admin.deadLetters({ topic }).then(({ letters }) => letters),
  }
}

describe.skipIf(!node)('the clock of a machine', () => {
  // A broker refuses what is stamped more than an hour ahead of its own clock.
  test.each([2, -2])('that is %d hours ahead of the broker: all goes on as ever, and one line says so', async (hours) => {
    const { send, said, handled, letters } = await service(() => hours * HOURS)
    await send('a')
    await send('dead')
    await until(() => handled.length === 1)
    await until(async () => (await letters()).length === 1)
    const where = hours > 0 ? /is 7(199|200|201) s ahead of the Kafka/ : /is 7(199|200|201) s behind the Kafka/
    expect(said().map(({ msg }) => msg)).toEqual([expect.stringMatching(where)])
  })

  test('that is right says nothing', async () => {
    const { send, said, handled } = await service(() => 0)
    await send('a')
    await until(() => handled.length === 1)
    expect(said()).toEqual([])
  })

  test.each([2, -2])('that is set by %d hours while it runs: the same', async (hours) => {
    let setBy = 0
    const { send, handled, letters } = await service(() => setBy)
    await send('a')
    await until(() => handled.length === 1)
    setBy = hours * HOURS
    await send('b')
    await send('dead')
    await until(() => handled.length === 2)
    await until(async () => (await letters()).length === 1)
    expect(handled).toEqual(['a', 'b'])
  })
})
