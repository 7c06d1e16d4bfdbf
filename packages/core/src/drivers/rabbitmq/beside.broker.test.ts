import { startRabbitmq } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createMessaging } from '../../messaging.ts'
import { pictureOf } from './fixtures/picture.ts'
import { pika } from './fixtures/pika.ts'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'

// What of our own topology others meet: it gives way to a plain fanout of theirs, is small, and a start that is refused leaves none of it.

const running = await startRabbitmq()
afterAll(() => running?.stop())
const url = running?.url ?? ''
const python = running && (await pika(url))

const ctl = async (...args: string[]) => running?.ctl(...args)
const picture = async (vhost: string) => pictureOf({ ctl: async (...args) => (await running?.ctl(...args)) ?? '' }, { vhost })

let vhosts = 0
/** A virtual host with nothing in it. */
async function emptyVhost(): Promise<{ readonly vhost: string; readonly url: string }> {
  const vhost = `v${++vhosts}`
  await ctl('add_vhost', vhost)
  await ctl('set_permissions', '-p', vhost, 'guest', '.*', '.*', '.*')
  return { vhost, url: url.replace(/\/$/, `/${vhost}`) }
}

async function user(
  vhost: string,
  rights: { configure: string; write: string; read: string },
): Promise<{ username: string; password: string }> {
  const username = `user-${vhost}-${++vhosts}`
  await ctl('add_user', username, 'secret')
  await ctl('set_permissions', '-p', vhost, username, rights.configure, rights.write, rights.read)
  return { username, password: 'secret' }
}

describe.skipIf(!running)('a topic on RabbitMQ, beside others', () => {
  test('may be declared by anybody as a plain durable fanout, who came first or later, and keeps what nobody has read', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    await channel.assertExchange(room.topic, 'fanout', { durable: true })
    const driver = await room.connected()
    const [first] = messages(room.topic, 1)
    if (first) await driver.publish([first])
    await publish(room.topic, 'any.key', '{}', { messageId: 'theirs', mandatory: true })
    await channel.assertExchange(room.topic, 'fanout', { durable: true })
    await channel.assertQueue(`theirs-${room.topic}`)
    await channel.bindQueue(`theirs-${room.topic}`, room.topic, '')
    await publish(room.topic, '', '{}', { messageId: 'both' })
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    await group.nth(3)
    expect(group.ids()).toEqual([first?.id, 'theirs', 'both'])
    await publish(room.topic, '', '{}', { messageId: 'later' })
    await group.nth(4)
    await quiet()
    expect([group.deliveries.length, (await channel.checkQueue(`theirs-${room.topic}`)).messageCount]).toEqual([4, 2])
  })

  test.skipIf(!python)('pika declares it, binds a queue to it and reads it', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    const watching = await python?.watch(room.topic, 1)
    const [sent] = messages(room.topic, 1)
    if (sent) await driver.publish([sent])
    expect((await watching?.read)?.map(({ messageId }) => messageId)).toEqual([sent?.id])
    await group.nth(1)
  })

  test('says once that a queue has its name, in which peers publish "to the queue"', async () => {
    const room = openRoom(url)
    const { channel } = await room.bare()
    await channel.assertQueue(room.topic, { durable: true })
    const group = await member(await room.connected(), { topics: [room.topic] })
    expect(group.states.slice(1)).toMatchObject([
      { kind: 'consuming', notice: { code: 'TOPIC_IS_QUEUE', message: expect.stringContaining(`from: { queue: '${room.topic}' }`) } },
    ])
    expect((await channel.checkQueue(room.topic)).consumerCount).toBe(0)
  })

  test('keeps nothing where `unclaimed` is false, and is never refused; a group of ours has all of it from its start', async () => {
    const room = openRoom(url)
    const before = await room.connected()
    await before.publish(messages(room.topic, 2))
    const { channel } = await room.bare()
    const driver = await room.connected({ topics: { topics: { [room.topic]: { unclaimed: false } } }, tuning: { unclaimedMessages: 1 } })
    expect(await driver.ensure({ topics: [room.topic], groups: [] }, 'create')).toEqual([])
    for (let n = 0; n < 20; n++) await driver.publish(messages(room.topic, 10))
    expect((await channel.checkQueue(`${room.topic}.unclaimed`)).messageCount).toBe(2)
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    await driver.publish(messages(room.topic, 3))
    await group.nth(5)
    await quiet()
    expect(group.deliveries.length).toBe(5)
  })

  test('whose exchange behind it somebody deletes is made anew, and that what others alone have had is missing is said', async () => {
    const room = openRoom(url)
    const group = await member(await room.connected(), { topics: [room.topic], acknowledges: true })
    const { channel, publish } = await room.bare()
    const { queue } = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(queue, room.topic, '')
    const said = () => group.states.flatMap((state) => (state.kind === 'consuming' && state.notice ? [state.notice] : []))
    await channel.deleteExchange(`${room.topic}:groups`)
    await until(() => said().some((notice) => 'code' in notice && notice.code === 'EXCHANGE_GONE'), 25_000)
    await publish(room.topic, '', '{}')
    await group.nth(1)
  }, 40_000)

  test('that somebody deletes and makes anew is bound again', async () => {
    const room = openRoom(url)
    const group = await member(await room.connected(), { topics: [room.topic], acknowledges: true })
    const { channel, publish } = await room.bare()
    await channel.deleteExchange(room.topic)
    await channel.assertExchange(room.topic, 'fanout', { durable: true })
    await until(async () => {
      await publish(room.topic, '', '{}', { messageId: 'again' })
      return group.deliveries.length > 0
    }, 25_000)
  }, 40_000)
})

describe.skipIf(!running)('what one start makes', () => {
  test('a handler with all defaults: at most 20 queues and 5 exchanges', async () => {
    const { vhost, url: empty } = await emptyVhost()
    const messaging = createMessaging({ broker: 'rabbitmq', url: empty, service: 's', env: {}, logger: pino({ level: 'silent' }) })
    onTestFinished(() => messaging.close())
    messaging.handle({ topic: 'orders', group: 'g' }, () => {})
    await messaging.start()
    const { queues, exchanges } = await picture(vhost)
    expect(queues.filter((line) => /corebus:delay\.\d+\t/.test(line))).toHaveLength(14)
    expect([queues.length, exchanges.length], queues.join('\n')).toEqual([20, 5])
  })

  test('a group without retries and dead letters has its queue and nothing else', async () => {
    const { vhost, url: empty } = await emptyVhost()
    const room = openRoom(empty)
    const { channel, publish } = await room.bare()
    await channel.assertExchange('shop', 'fanout', { durable: true })
    const auth = await user(vhost, { configure: '^orders:g$', write: '^orders:g$', read: '^(orders:g|shop)$' })
    const driver = await room.connected({ auth })
    const source = { exchange: 'shop' }
    const wanted = { topics: [], groups: [{ topic: 'orders', group: 'g', delays: [], deadLetter: false, source } as const] }
    // Its dead-letter exchange is the default one, which the broker asks the right for. It has no more.
    await ctl('set_permissions', '-p', vhost, auth.username, '^orders:g$', '^(orders:g|amq\\.default)$', '^(orders:g|shop)$')
    expect(await driver.ensure(wanted, 'create')).toEqual([])
    const seen: string[] = []
    const attempts: (string | undefined)[] = []
    const subscription = await driver.subscribe({
      topics: ['orders'],
      group: 'g',
      from: 'earliest',
      exclusive: false,
      limit: 10,
      onLost: () => {},
      onState: () => {},
      sources: new Map([['orders', source]]),
      onDeliveries(given) {
        for (const delivery of given) {
          seen.push(delivery.message.id)
          attempts.push(delivery.message.headers['corebus-snoozes'])
          const again = seen.length === 1
          if (again) void subscription.settle([{ kind: 'retry', delivery, headers: { 'corebus-snoozes': '1' }, afterMs: 100 }])
          else void subscription.settle([{ kind: 'ack', delivery }])
        }
      },
    })
    await publish('shop', '', '{}', { messageId: 'one' })
    await until(() => seen.length === 2)
    expect([seen, attempts]).toEqual([
      ['one', 'one'],
      [undefined, '1'],
    ])
    const { queues, exchanges } = await picture(vhost)
    expect([queues.map((line) => line.split('\t')[0]), exchanges.map((line) => line.split('\t')[0])]).toEqual([['orders:g'], ['shop']])
  })
})

describe.skipIf(!running)('a start that is refused', () => {
  test('because one thing differs leaves nothing behind, and a check after it is not ready', async () => {
    const { vhost, url: empty } = await emptyVhost()
    const room = openRoom(empty)
    const { channel } = await room.bare()
    await channel.assertExchange('shop', 'topic', { durable: true })
    await channel.assertQueue('orders.g.dlq', { durable: true })
    const before = await picture(vhost)
    const delays = [{ afterMs: 1_000, jitter: 0.2 }]
    const groups = ['orders', 'shop'].map((topic) => ({ topic, group: 'g', delays, deadLetter: {} }))
    const driver = await room.connected()
    const differences = await driver.ensure({ topics: ['orders', 'shop'], groups }, 'create')
    expect(differences.map(({ what }) => what)).toEqual([
      'topic shop, exchange shop: type',
      'dead letters of group g on topic orders, queue orders.g.dlq: x-queue-type',
    ])
    expect(await picture(vhost)).toEqual(before)
    const checked = await driver.ensure({ topics: ['shop'], groups: groups.slice(1) }, 'check')
    expect(checked.map(({ what }) => what)).toContain('group g on topic shop, queue shop:g')
  })

  test.each([
    ['a delay', '^(?!corebus:delay)', '.*', '.*'],
    ['the dead letters', '^(?!orders\\.g\\.dlq)', '.*', '.*'],
    ['the binding of its queue', '.*', '^(?!orders:g$)', '.*'],
    ['reading the exchange it is bound to', '.*', '.*', '^(?!orders:groups$)'],
    ['its list', '^(?!corebus:topology)', '.*', '.*'],
  ])('because the user may not make %s leaves nothing behind', async (_, configure, write, read) => {
    const { vhost, url: empty } = await emptyVhost()
    const auth = await user(vhost, { configure, write, read })
    const room = openRoom(empty)
    const driver = await room.connected({ auth })
    const groups = [{ topic: 'orders', group: 'g', delays: [{ afterMs: 1_000, jitter: 0 }], deadLetter: {} }]
    await expect(driver.ensure({ topics: ['orders'], groups }, 'create')).rejects.toMatchObject({ code: 'ACCESS_REFUSED' })
    expect(await picture(vhost)).toEqual({ exchanges: [], queues: [], bindings: [], consumers: [] })
  })

  test('is refused, not ready and deaf, where everything is there but nothing says that the queue is bound', async () => {
    const { vhost, url: empty } = await emptyVhost()
    const room = openRoom(empty)
    const maker = await room.connected()
    await member(maker, { topics: ['orders'] })
    await maker.close()
    const { channel } = await room.bare()
    for (const exchange of ['orders:groups', 'orders']) await channel.unbindQueue('orders:g', exchange, '')
    await channel.deleteQueue('corebus:topology')
    const auth = await user(vhost, { configure: '^$', write: '^amq\\.default$', read: '^(orders:g|orders\\.unclaimed|corebus:topology)$' })
    await expect(member(await room.connected({ auth }), { topics: ['orders'], mode: 'check' })).rejects.toMatchObject({
      code: 'TOPOLOGY',
      message: expect.stringContaining('ready and get nothing'),
    })
    // Who may bind it does.
    const group = await member(await room.connected(), { topics: ['orders'], mode: 'check', acknowledges: true })
    await (await room.connected()).publish(messages('orders', 1))
    await group.nth(1)
  })
})
