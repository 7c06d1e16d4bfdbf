import { expect, test } from 'vitest'
import { collector, onMemory } from '../../test/kit.ts'
import { nearest } from '../options/spelling.ts'

test('topics that a start makes are said, and one that is spelt nearly as another is asked about', async () => {
  const url = 'memory://news'
  const { logger, lines } = collector('info')
  const api = onMemory({ url })
  await api.publishEvent('user.created', {}, { topic: 'user.created' })
  const messaging = onMemory({ url, logger })
  for (const topic of ['usr.created', 'nightly']) messaging.handle({ topic }, () => undefined)
  await messaging.start()
  const said = lines.map(({ msg, level }) => `${level} ${msg}`)
  expect(said).toContain('30 topics usr.created, nightly did not exist and were made: nothing comes until somebody publishes there')
  expect(said).toContain('40 nobody has written to topic usr.created, and there is a topic user.created: is that the one that is meant?')
  expect(said.filter((line) => line.includes('nightly,')).length).toBeLessThan(2)

  const again = collector('info')
  const second = onMemory({ url, logger: again.logger })
  for (const topic of ['usr.created', 'nightly']) second.handle({ topic }, () => undefined)
  await second.start()
  expect(again.lines.filter(({ msg }) => String(msg).includes('did not exist'))).toEqual([])
})

test.each([
  ['usr.created', ['user.created', 'orders'], 'user.created'],
  ['orders.craeted', ['orders.created'], 'orders.created'],
  ['orders', ['orders.created', 'order'], 'order'],
  ['orders.v1', ['orders.v2', 'orders.v10'], undefined],
  ['a', ['b'], undefined],
  ['user.created', ['user.created'], undefined],
  ['user.created', ['user.deleted'], undefined],
  ['order_created', ['order.created'], 'order.created'],
  ['ordercreated', ['order.created'], 'order.created'],
  ['tenant-a.events', ['tenant-b.events'], undefined],
  ['orders-eu', ['orders-us'], undefined],
  ['orders.read', ['orders.dead'], undefined],
  ['payments.proccess', ['payments.process'], 'payments.process'],
])('nearest to %s among %j: %s', (name, known, near) => {
  expect(nearest(name, known)).toBe(near)
})
