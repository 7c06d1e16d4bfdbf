import { startKafka } from '@corebus/testbed'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import { newId } from '../../wire/id.ts'
import { kafkaDriver, loadLibrary } from './driver.ts'

await loadLibrary()
const node = await startKafka()
afterAll(() => node?.stop())

// On other brokers the conformance suite cannot ask for it: not all of them know.
test.skipIf(!node)(
  'the age of the oldest message that waits is that of the first that is not committed, whatever partition it is in',
  async () => {
    const driver = kafkaDriver({
      ...{
        url: node?.url ?? '',
        service: 'tests',
        prefix: '',
        publishTimeoutMs: 10_000,
        clock: systemClock,
        durability: 'normal',
        tls: false,
      },
    })
    onTestFinished(() => driver.close())
    await driver.connect(() => {})
    const topic = `t-${newId()}`
    await driver.ensure({ topics: [topic], groups: [{ group: 'g', topic, delays: [], deadLetter: {} }] }, 'create')
    const oldest = async () => (await driver.admin.depth(topic, 'g')).oldestMs
    const publish = (key: string) => driver.publish([{ id: newId(), topic, key, headers: {}, body: Buffer.from('1') }])
    expect(await oldest()).toBeUndefined()
    const before = Date.now()
    await publish('a')
    const between = Date.now()
    for (const key of ['a', 'b', 'c', 'd']) await publish(key)
    const [least, most] = [Date.now() - between, (await oldest()) ?? -1]
    expect(most).toBeGreaterThanOrEqual(least - 1)
    expect(most).toBeLessThanOrEqual(Date.now() - before + 1)
  },
)
