import { startRabbitmq } from '@corebus/testbed'
import { afterAll, describe, onTestFinished, test } from 'vitest'
import { createMessaging } from '../../messaging.ts'
import { newId } from '../../wire/id.ts'
import { until } from './fixtures/room.ts'

const running = await startRabbitmq()
afterAll(() => running?.stop())

/** The queue is there and answers nothing, as one without a leader. */
async function silence(queue: string): Promise<() => Promise<void>> {
  const told = async (what: string) => void (await running?.ctl('eval', `sys:${what}(whereis('%2F_${queue}')).`))
  await told('suspend')
  return () => told('resume')
}

describe.skipIf(!running)('a queue that answers nothing', () => {
  test('holds up what goes to it, and nothing else: other messages are handled, retried, settled and published', async () => {
    const [topic, other] = [`t-${newId()}`, `t-${newId()}`]
    const messaging = createMessaging({ broker: 'rabbitmq', url: running?.url ?? '', service: 'tests', env: { LOG_LEVEL: 'silent' } })
    onTestFinished(() => messaging.close())
    let handled = 0
    messaging.handle(
      { topic, group: 'g', maxRetries: 1, retryDelayMs: 50, retryIf: (error) => !/hopeless/.test(String(error)) },
      (input: string, { attempt }) => {
        if (input === 'hopeless' || (input === 'once' && attempt === 1)) throw new Error(input)
        handled++
      },
    )
    await messaging.start()
    const producer = messaging.getProducer()
    const { admin } = await messaging.driver()
    await producer.send(other, 'so that it is there')
    await producer.send(topic, 'fine')
    await until(() => handled === 1)
    handled = 0

    const speak = await silence(`${topic}.g.dlq`)
    onTestFinished(speak)
    await producer.send(topic, 'hopeless')
    for (let n = 1; n <= 20; n++) {
      await producer.sendAll(topic, [{ message: 'fine' }, { message: 'once' }])
      await producer.send(other, n)
      await until(() => handled === 2 * n, 5_000)
    }
    await until(() => messaging.health().groups[0]?.unsettled === 1, 5_000)
    await speak()
    await until(async () => (await admin.depth(topic, 'g')).dead === 1)
    await until(() => messaging.health().groups[0]?.unsettled === 0)
  }, 60_000)

  test('does not keep a service from beginning whose first message goes there', async () => {
    const topic = `t-${newId()}`
    const service = () => {
      const messaging = createMessaging({
        broker: 'rabbitmq',
        url: running?.url ?? '',
        service: 'tests',
        env: { LOG_LEVEL: 'silent' },
        publish: { timeoutMs: 1_000 },
      })
      onTestFinished(() => messaging.close())
      messaging.handle({ topic, group: 'g', maxRetries: 0 }, (input: string) => {
        if (input === 'hopeless') throw new Error(input)
        handled++
      })
      return messaging
    }
    let handled = 0
    const first = service()
    await first.start()
    await first.close()
    const speak = await silence(`${topic}.g.dlq`)
    onTestFinished(speak)
    const next = service()
    await next.start()
    await next.getProducer().sendAll(topic, [{ message: 'hopeless' }, ...Array.from({ length: 20 }, () => ({ message: 'fine' }))])
    await until(() => handled === 20)
  })
})
