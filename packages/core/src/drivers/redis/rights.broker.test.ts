import { startRedis } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createMessaging, type Messaging } from '../../messaging.ts'
import { newId } from '../../wire/id.ts'
import { type Bare, messages, openRoom, quiet, until } from './fixtures/room.ts'

const running = await startRedis()
afterAll(() => running?.stop())
const url = running?.url ?? ''
const cli = (...args: readonly string[]) => running?.cli(...args) ?? ''

// Of the topic `orders` and the group `billing`: what goes to ACL SETUSER.
// #region rights
const CONNECTING = '+ping +hello +time +evalsha +eval +client|setname +client|info'
const LOOKING = '+exists +hget +xlen +xpending +xinfo|stream +xinfo|groups'
const PUBLISHER = `${CONNECTING} ${LOOKING} +xadd +xrange +xtrim`
const CONSUMER =
  `${CONNECTING} ${LOOKING} +client|unblock +xadd +xreadgroup +xack +xclaim +xdel +xrange +xtrim ` +
  '+xinfo|consumers +xgroup|create +xgroup|delconsumer +sismember +hset +hgetall +hdel +zadd +zrem +zscore +zcard +zcount +zrange +zrangebyscore'
// It copies nothing, as long as it never throws RetryLater.
const BARE = CONSUMER.replace('+xadd ', '').replace('+xdel ', '')
const RIGHTS = {
  'a publisher, check': `~orders ~{orders}:* ${PUBLISHER}`,
  'a publisher, create': `~orders ~{orders}:* ~corebus:topics ${PUBLISHER} +xdel +hset +sadd`,
  'a handler with maxRetries: 0 and deadLetter: false, check': `~orders ~{orders}:* ~corebus:topics ~corebus:notes:billing ${BARE}`,
  'a consumer, check': `~orders ~{orders}:* ~corebus:topics ~corebus:notes:billing ${CONSUMER}`,
  'a consumer, create': `~orders ~{orders}:* ~corebus:topics ~corebus:notes:billing ${CONSUMER} +sadd +smembers +hsetnx`,
} as const
// #endregion rights

type Mode = 'create' | 'check'

interface Trial {
  readonly topic: string
  readonly group: string
}

/** On a server that holds nothing else. */
function trial(): Trial {
  cli('FLUSHALL')
  return { topic: `orders-${newId()}`, group: `billing-${newId()}` }
}

/** The user has these rights and no other, and the server has forgotten what it was asked. */
function allow(rights: string, { topic, group }: Trial): void {
  const own = rights.replaceAll('orders', topic).replaceAll('billing', group).split(' ')
  expect(cli('ACL', 'SETUSER', 'app', 'reset', 'on', '>secret', 'resetchannels', '-@all', ...own)).toBe('OK\n')
  cli('ACL', 'LOG', 'RESET')
  cli('SCRIPT', 'FLUSH')
  cli('CONFIG', 'RESETSTAT')
}

/** What the server was asked since then, also inside of scripts, by the names that users have their rights by. */
const asked = (): ReadonlySet<string> =>
  new Set([...cli('INFO', 'commandstats').matchAll(/^cmdstat_([\w|]+):calls=/gm)].map(([, name]) => `+${name}`))

/** Nothing was tried that is not allowed, and all that is allowed was used. */
function expectExact(rights: string): void {
  const commands = rights.split(' ').filter((right) => right.startsWith('+'))
  const used = asked()
  expect(cli('ACL', 'LOG').trim()).toBe('')
  expect(commands.filter((command) => !used.has(command))).toEqual([])
}

/** A service as its author writes one, by the user whose rights are tried, or by one who may do anything. */
function service(topology: Mode, user: 'app' | 'all' = 'app'): Messaging {
  const auth = user === 'app' ? { auth: { username: 'app', password: 'secret' } } : {}
  const messaging = createMessaging({
    ...{ broker: 'redis', url, service: 'rights', env: {}, logger: pino({ level: 'silent' }), topology, shutdownMs: 300, ...auth },
  })
  onTestFinished(() => messaging.close())
  return messaging
}

/** Retries now and later, letters, a member that is stopped while it handles something, and one that goes on with that. */
async function consumes({ topic, group }: Trial, mode: Mode, { ask }: Bare): Promise<void> {
  const handled: number[] = []
  const begin = async () => {
    const messaging = service(mode)
    messaging.handle({ topic, group, maxRetries: 1, retryDelayMs: 100 }, async ({ n }: { n: number }, { attempt, signal }) => {
      handled.push(n)
      if (n === 4 && handled.filter((one) => one === 4).length === 1)
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      if (n === 3 || (n === 2 && attempt === 1)) throw new Error('not this one')
    })
    await messaging.start()
    return messaging
  }
  const first = await begin()
  for (const n of [1, 2, 3, 4]) await ask('XADD', topic, '*', 'body', JSON.stringify({ n }))
  await until(() => handled.toSorted().join() === '1,2,2,3,3,4' && first.counters.dead === 1)
  await first.close()
  const second = await begin()
  await until(() => handled.toSorted().join() === '1,2,2,3,3,4,4')
  await quiet(1_500)
  await second.close()
}

describe.skipIf(!running)('a user of Redis who may do nothing else', () => {
  test.each(['check', 'create'] as const)(
    'publishes with %s',
    async (mode) => {
      const of = trial()
      const room = openRoom(url)
      if (mode === 'check') await (await room.connected()).ensure({ topics: [of.topic], groups: [] }, 'create')
      const rights = RIGHTS[`a publisher, ${mode}`]
      allow(rights, of)
      const auth = { username: 'app', password: 'secret' }
      const driver = await room.connected({ auth, tuning: { unclaimedMessages: 10_000 } })
      expect(await driver.ensure({ topics: [of.topic], groups: [] }, mode)).toEqual([])
      const { ask } = await room.bare()
      // As a group of ours leaves them: where it is is for its members to note.
      await ask('XGROUP', 'CREATE', of.topic, of.group, '0')
      await ask('HSET', `{${of.topic}}:group:${of.group}:state`, 'floor', '0-0')
      // Until a connection is lost with messages on their way, and these are looked for.
      while (!asked().has('+xrange')) {
        const publishing = driver.publish(messages(of.topic, 500))
        await new Promise((resolve) => setImmediate(resolve))
        cli('CLIENT', 'KILL', 'USER', 'app')
        await publishing
      }
      expect(Number(await ask('XLEN', of.topic))).toBeGreaterThan(0)
      // What may be deleted is looked at now and then, by how much was published.
      await until(async () => {
        await driver.publish(messages(of.topic, 200))
        return asked().has('+xtrim')
      })
      expectExact(rights)
    },
    60_000,
  )

  test.each(['check', 'create'] as const)(
    'consumes with %s',
    async (mode) => {
      const of = trial()
      const { topic, group } = of
      if (mode === 'check') {
        const before = service('create', 'all')
        before.handle({ topic, group, maxRetries: 1, retryDelayMs: 100 }, () => undefined)
        await before.start()
        await before.close()
      }
      const rights = RIGHTS[`a consumer, ${mode}`]
      allow(rights, of)
      await consumes(of, mode, await openRoom(url).bare())
      // A group that is new to a topic with messages says how many wait.
      cli('XGROUP', 'DESTROY', topic, group)
      const anew = service(mode)
      anew.handle({ topic, group, maxRetries: 1, retryDelayMs: 100 }, () => undefined)
      await anew.start()
      await anew.close()
      expectExact(rights)
    },
    60_000,
  )

  test('reads a topic without retries and dead letters with check, and needs nothing but its group', async () => {
    const of = trial()
    const { topic, group } = of
    await (await openRoom(url).connected()).ensure({ topics: [topic], groups: [] }, 'create')
    const { ask } = await openRoom(url).bare()
    const before = ((await ask('KEYS', '*')) as string[]).sort()
    const rights = RIGHTS['a handler with maxRetries: 0 and deadLetter: false, check']
    allow(rights, of)
    const handled: number[] = []
    const begin = async () => {
      const messaging = service('check')
      messaging.handle({ topic, group, maxRetries: 0, deadLetter: false }, async ({ n }: { n: number }, { signal }) => {
        handled.push(n)
        if (n === 2) throw new Error('is dropped')
        if (n === 3 && handled.filter((one) => one === 3).length === 1)
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      })
      await messaging.start()
      return messaging
    }
    const first = await begin()
    for (const n of [1, 2, 3]) await ask('XADD', topic, '*', 'body', JSON.stringify({ n }))
    await until(() => handled.toSorted().join() === '1,2,3' && first.counters.dropped === 1)
    await first.close()
    const second = await begin()
    await until(() => handled.toSorted().join() === '1,2,3,3')
    await quiet(1_500)
    await second.close()
    expectExact(rights)
    const own = ((await ask('KEYS', '*')) as string[]).filter((key) => !before.includes(key)).sort()
    expect(own).toEqual(['again', 'state'].map((what) => `{${topic}}:group:${group}:${what}`))
    for (const right of rights.split(' ').filter((one) => /^~(?!corebus:notes)|xgroup\|create|xreadgroup|xack|zadd/.test(one))) {
      allow(
        rights
          .split(' ')
          .filter((one) => one !== right)
          .join(' '),
        of,
      )
      const lacking = service('check')
      lacking.handle({ topic, group, maxRetries: 0, deadLetter: false }, () => undefined)
      await expect(lacking.start(), right).rejects.toMatchObject({ code: 'ACCESS_REFUSED' })
      await lacking.close()
    }
  }, 60_000)

  test('sends dead letters to a stream of others with the right to its key, without which it does not start; while it may not write there they are kept whole', async () => {
    const of = trial()
    const { ask, entries } = await openRoom(url).bare()
    await ask('XGROUP', 'CREATE', 'shop:dead', 'theirs', '0', 'MKSTREAM')
    const rights = RIGHTS['a consumer, create']
    const begin = async () => {
      const messaging = service('create')
      messaging.handle({ ...of, maxRetries: 0, deadLetter: { to: { stream: 'shop:dead' } } }, () => {
        throw new Error('not this one')
      })
      await messaging.start()
      return messaging
    }
    const before = ((await ask('KEYS', '*')) as string[]).sort()
    for (const lacking of ['', '%R~shop:dead ']) {
      allow(`${lacking}${rights}`, of)
      await expect(begin()).rejects.toMatchObject({ code: 'ACCESS_REFUSED' })
      expect(((await ask('KEYS', '*')) as string[]).sort()).toEqual(before)
    }
    allow(`~shop:dead ${rights}`, of)
    const messaging = await begin()
    await ask('XADD', of.topic, '*', 'body', '{"n":1}')
    await until(() => messaging.counters.dead === 1)
    allow(rights, of)
    await ask('XADD', of.topic, '*', 'body', '{"n":2}', 'h:mine', 'yes')
    await until(() => !messaging.health().ready)
    expect(messaging.counters.dead).toBe(1)
    allow(`~shop:dead ${rights}`, of)
    await until(() => messaging.counters.dead === 2)
    const [, letter] = await entries('shop:dead')
    expect(letter?.fields.map(String)).toEqual(expect.arrayContaining(['{"n":2}', 'h:mine', 'yes', 'corebus-reason', 'failed']))
  }, 60_000)

  test('starts beside topics of others that it may not see', async () => {
    const of = trial()
    await (await openRoom(url).connected()).ensure({ topics: ['theirs'], groups: [] }, 'create')
    allow(RIGHTS['a consumer, create'], of)
    await consumes(of, 'create', await openRoom(url).bare())
  }, 60_000)

  test('whose start is refused leaves nothing behind, whatever right is missing', async () => {
    const of = trial()
    const { ask } = await openRoom(url).bare()
    const before = ((await ask('KEYS', '*')) as string[]).sort()
    const all = RIGHTS['a consumer, create'].split(' ')
    for (const right of [
      '~corebus:topics',
      '~orders',
      '~{orders}:*',
      '+xadd',
      '+xdel',
      '+hset',
      '+sadd',
      '+zadd',
      '+xgroup|create',
      '+xreadgroup',
    ]) {
      allow(all.filter((one) => one !== right).join(' '), of)
      const messaging = service('create')
      messaging.handle({ ...of, maxRetries: 1, retryDelayMs: 100 }, () => undefined)
      await expect(messaging.start(), right).rejects.toMatchObject({ code: 'ACCESS_REFUSED' })
      await messaging.close()
      expect(((await ask('KEYS', '*')) as string[]).sort(), right).toEqual(before)
    }
  }, 60_000)
})
