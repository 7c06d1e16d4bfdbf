import { startKafka } from '@corebus/testbed'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { collector } from '../../../test/kit.ts'
import { createMessaging } from '../../messaging.ts'
import { openRoom, until } from './fixtures/room.ts'

const node = await startKafka()
afterAll(() => node?.stop())

test.skipIf(!node)('a topic of notes that was deleted is made again, and read from its beginning', async () => {
  const { group, ...room } = openRoom(node?.url ?? '')
  const [one, other] = [await room.connected(), await room.connected()]
  const listed = async () => (await other.members?.list(group))?.map(({ member, note }) => `${member} ${note}`)
  for (let n = 0; n < 5; n++) await one.members?.tell(group, 'a', `note ${n}`, 60_000)
  expect(await listed()).toEqual(['a note 4'])
  const { admin } = await room.bare()
  await admin.deleteTopics({ topics: ['corebus.members'] })
  await until(async () => !(await admin.listTopics()).includes('corebus.members'))
  await until(async () => {
    await one.members?.tell(group, 'a', 'again', 60_000)
    return (await listed())?.includes('a again') === true
  })
})

test.skipIf(!node)(
  "with topology: 'check' and no topic of notes the members do not know each other, which is said, and all goes on",
  async () => {
    const { topic, group, ...room } = openRoom(node?.url ?? '')
    const { admin } = await room.bare()
    const handled: number[] = []
    const service = async (topology: 'create' | 'check') => {
      const { logger, lines } = collector('warn')
      const messaging = createMessaging({ broker: 'kafka', url: node?.url ?? '', service: 'tests', env: {}, logger, topology })
      onTestFinished(() => messaging.close())
      messaging.handle({ topic, group, maxRetries: 0 }, (n: number) => void handled.push(n))
      await messaging.start()
      return { messaging, lines }
    }
    const { messaging } = await service('create')
    await messaging.close()
    await admin.deleteTopics({ topics: ['corebus.members'] })
    await until(async () => !(await admin.listTopics()).includes('corebus.members'))
    const checking = await service('check')
    await checking.messaging.getProducer().send(topic, 1)
    await until(() => handled.length === 1)
    expect(checking.lines.map(({ msg }) => msg)).toEqual([
      expect.stringMatching(/^group .* starts without knowing its other members: .*corebus\.members/),
    ])
  },
)
