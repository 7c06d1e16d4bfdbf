import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startRabbitmq } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Source } from '../../driver.ts'
import { createMessaging } from '../../messaging.ts'
import { newId } from '../../wire/id.ts'
import { member, messages, openRoom, until } from './fixtures/room.ts'

// The table of rights in the docs, each row tried by a user who has no more.

const running = await startRabbitmq()
afterAll(() => running?.stop())
const url = running?.url ?? ''
const ctl = async (...args: string[]) => running?.ctl(...args)

const PAGE = join(import.meta.dirname, '../../../../../docs/explanation/rabbitmq-broker.md')

interface Rights {
  readonly configure: readonly string[]
  readonly write: readonly string[]
  readonly read: readonly string[]
}

const rows = new Map<string, Rights>(
  readFileSync(PAGE, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| ') && line.split('|').length === 6)
    .map((line) => {
      const [, who = '', ...cells] = line.split('|')
      const [configure = [], write = [], read = []] = cells.map((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name))
      return [who.trim(), { configure, write, read }]
    }),
)

function rightsOf(who: string): Rights {
  const rights = rows.get(who)
  if (!rights) throw new Error(`the page has no row "${who}"`)
  return rights
}

/** As `rabbitmqctl set_permissions` takes it. */
function pattern(names: readonly string[], values: Readonly<Record<string, string>>): string {
  const one = (name: string) =>
    name
      .replace(/<(\w+)>/g, (whole, word: string) => values[word] ?? whole)
      .replaceAll('.', '\\.')
      .replace('<ms>', '\\d+')
      .replace('<id>', '[0-9a-f-]+')
  return names.length === 0 ? '^$' : `^(${names.map(one).join('|')})$`
}

async function userWith({ configure, write, read }: Rights, values: Scene['names']) {
  const username = `user-${newId()}`
  await ctl('add_user', username, 'secret')
  await ctl('set_permissions', '-p', values.vhost, username, pattern(configure, values), pattern(write, values), pattern(read, values))
  return { username, password: 'secret' }
}

/** A virtual host with nothing in it but something of others, for the rows that need it. */
async function scene() {
  const vhost = newId()
  await ctl('add_vhost', vhost)
  await ctl('set_permissions', '-p', vhost, 'guest', '.*', '.*', '.*')
  const room = openRoom(url.replace(/\/$/, `/${vhost}`))
  const bare = await room.bare()
  const names = { vhost, topic: room.topic, group: 'g', exchange: `their.exchange.${room.topic}`, queue: `their.queue.${room.topic}` }
  await bare.channel.assertExchange(names.exchange, 'fanout', { durable: true })
  await bare.channel.assertQueue(names.queue, { durable: true })
  return { room, bare, names }
}
type Scene = Awaited<ReturnType<typeof scene>>

/** Handles one message by way of a retry and a dead letter, and hands one back. */
async function handles({ room, bare, names }: Scene, rights: Rights, checks: boolean, source?: Source, isBare = false): Promise<void> {
  const options = {
    topics: [names.topic],
    mode: checks ? ('check' as const) : ('create' as const),
    ...(source && { source }),
    ...(isBare && { delays: [], deadLetter: false as const }),
  }
  const admin = await room.connected()
  if (checks) {
    await member(admin, { ...options, mode: 'create' })
    await admin.close()
  }
  // What waits for the first group is taken over with these rights too.
  if (!source) await bare.publish('', `${names.topic}.unclaimed`, '{}', { messageId: 'waits' }).catch(() => undefined)
  const driver = await room.connected({ auth: await userWith(rights, names) })
  const group = await member(driver, { ...options, limit: 10 })
  const publish = (messageId: string) => {
    if (!source) return bare.publish(names.topic, '', '{}', { messageId })
    return 'queue' in source ? bare.publish('', names.queue, '{}', { messageId }) : bare.publish(names.exchange, '', '{}', { messageId })
  }
  await publish('one')
  const nth = async (id: string, count: number) => {
    for (let n = 1; ; n++) {
      const delivery = await group.nth(n)
      if (delivery.message.id === id && --count === 0) return delivery
    }
  }
  if (isBare) await group.ack(await nth('one', 1))
  else {
    await group.settle([{ kind: 'retry', delivery: await nth('one', 1), headers: {}, afterMs: 100 }])
    await group.settle([{ kind: 'deadLetter', delivery: await nth('one', 2), headers: {} }])
  }
  await publish('two')
  await nth('two', 1)
  await driver.close()
  if (!isBare) expect((await bare.channel.checkQueue(`${names.topic}.g.dlq`)).messageCount).toBe(1)
}

/** Handles one message, and gives up on another one without a retry. */
async function givesUp({ bare, names }: Scene, rights: Rights): Promise<void> {
  const theirs = `their.dlq.${names.topic}`
  await bare.channel.assertQueue(theirs, { durable: true })
  await bare.channel.bindQueue(theirs, names.exchange, '')
  const messaging = createMessaging({
    broker: 'rabbitmq',
    url: url.replace(/\/$/, `/${names.vhost}`).replace(/\/\/[^@/]*@/, '//'),
    auth: await userWith(rights, names),
    service: 's',
    env: { LOG_LEVEL: 'silent' },
  })
  onTestFinished(() => messaging.close())
  const from = { queue: names.queue }
  messaging.handle(
    { topic: names.topic, group: 'g', from, maxRetries: 0, deadLetter: { to: { exchange: names.exchange } } },
    ({ ok }: { ok: boolean }) => {
      if (!ok) throw new Error('no')
    },
  )
  await messaging.start()
  for (const ok of [false, true]) await bare.publish('', names.queue, JSON.stringify({ ok }))
  await until(() => messaging.counters.handled + messaging.counters.dead === 2)
  expect((await bare.take(theirs)).map(({ content }) => String(content))).toEqual(['{"ok":false}'])
}

async function publishes({ room, names }: Scene, rights: Rights, checks: boolean): Promise<void> {
  if (checks) expect(await (await room.connected()).ensure({ topics: [names.topic], groups: [] }, 'create')).toEqual([])
  const driver = await room.connected({ auth: await userWith(rights, names) })
  expect(await driver.ensure({ topics: [names.topic], groups: [] }, checks ? 'check' : 'create')).toEqual([])
  await driver.publish(messages(names.topic, 1))
  await driver.close()
}

async function targets({ room, bare, names }: Scene, rights: Rights): Promise<void> {
  await bare.channel.bindQueue(names.queue, names.exchange, '')
  const driver = await room.connected({ auth: await userWith(rights, names) })
  const [message] = messages(names.topic, 1)
  if (message) await driver.publish([{ ...message, target: { exchange: names.exchange } }])
  await driver.close()
}

async function knows({ room, names }: Scene, rights: Rights): Promise<void> {
  const driver = await room.connected({ auth: await userWith(rights, names) })
  await driver.members?.tell('g', 'm', '{}', 10_000)
  expect(await driver.members?.list('g')).toHaveLength(1)
}

const exchange = ({ names }: Scene): Source => ({ exchange: names.exchange })
const queue = ({ names }: Scene): Source => ({ queue: names.queue })

const TRIES: Readonly<Record<string, (scene: Scene, rights: Rights) => Promise<void>>> = {
  'publishes to a topic, `create`': (at, rights) => publishes(at, rights, false),
  'publishes to a topic, `check`': (at, rights) => publishes(at, rights, true),
  'publishes to an exchange of others': targets,
  'handles a topic, `create`': (at, rights) => handles(at, rights, false),
  'handles a topic, `check`': (at, rights) => handles(at, rights, true),
  'handles `from: { exchange }`, `create`': (at, rights) => handles(at, rights, false, exchange(at)),
  'handles `from: { exchange }`, `check`': (at, rights) => handles(at, rights, true, exchange(at)),
  'handles `from: { queue }`, `create`': (at, rights) => handles(at, rights, false, queue(at)),
  'handles `from: { queue }`, `check`': (at, rights) => handles(at, rights, true, queue(at)),
  '`from: { exchange }` without retries and dead letters, `create`': (at, rights) => handles(at, rights, false, exchange(at), true),
  '`from: { queue }` without retries and dead letters': (at, rights) => handles(at, rights, false, queue(at), true),
  '`from: { queue }` without retries, `deadLetter: { to: { exchange } }`': givesUp,
  'members that know each other, beside it': knows,
}

describe.skipIf(!running)('the rights on the page of RabbitMQ', () => {
  test('are of all who are tried here', () => {
    const page = [...rows].filter(([, { configure, write, read }]) => configure.length + write.length + read.length > 0)
    expect(page.map(([who]) => who)).toEqual(Object.keys(TRIES))
  })

  test.each(Object.keys(TRIES))('are enough: %s', { timeout: 60_000 }, async (who) => {
    await TRIES[who]?.(await scene(), rightsOf(who))
  })
})
