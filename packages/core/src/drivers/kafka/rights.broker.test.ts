import { startKafka } from '@corebus/testbed'
import kafkajs from 'kafkajs'
import { type Logger, pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createMessaging, type Messaging } from '../../messaging.ts'
import { newId } from '../../wire/id.ts'
import { createTopics } from './fixtures/create-topics.ts'
import { member, openRoom, quiet, until } from './fixtures/room.ts'

const running = await startKafka({
  listeners: { SASL: 'SASL_PLAINTEXT' },
  config: [
    'listener.name.sasl.sasl.enabled.mechanisms=PLAIN',
    'listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_app="secret";',
    'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users=User:ANONYMOUS',
  ],
})
afterAll(() => running?.stop())
const url = running?.url ?? ''
const bare = new kafkajs.Kafka({ brokers: [url], logLevel: kafkajs.logLevel.NOTHING })
const admin = bare.admin()
if (running) await admin.connect()
afterAll(() => admin.disconnect())

// Of the topic `orders` and the group `billing`, as kafka-acls.sh names them. What ends with * is a prefix.
// #region rights
const RIGHTS = {
  'a publisher, check': ['Write on Topic orders'],
  'a publisher, create': ['Write, Create on Topic orders'],
  'a handler with maxRetries: 0 and deadLetter: false': ['Read on Topic orders', 'Read on Group billing'],
  "a handler with maxRetries: 0 and deadLetter: { to: { topic: 'dead' } }": [
    'Read on Topic orders',
    'Read on Group billing',
    'Write on Topic dead',
  ],
  'a consumer, check': [
    'Read on Topic orders',
    'Read on Group billing',
    'Read, Write on Topic corebus.again.orders.billing',
    'Read, Write on Topic corebus.delay.billing.*',
    'Write on Topic orders.billing.dlq',
    'Read, Write on Topic corebus.members',
    'Read on Topic corebus.topology',
    'Write on Topic corebus.clock',
  ],
  'a consumer, create': [
    'Read, Create, DescribeConfigs on Topic orders',
    'Read on Group billing',
    'Read, Write, Create on Topic corebus.*',
    'Write, Create on Topic orders.billing.dlq',
  ],
} as const
// #endregion rights

interface Right {
  readonly operation: keyof typeof kafkajs.AclOperationTypes
  readonly type: 'Topic' | 'Group'
  readonly name: string
}

function rightsIn(lines: readonly string[], topic: string, group: string): readonly Right[] {
  return lines.flatMap((line) => {
    const [, operations = '', type = '', name = ''] = /^(.*) on (Topic|Group) (.*)$/.exec(line) ?? []
    const own = name.replaceAll('orders', topic).replaceAll('billing', group)
    return operations.split(', ').map((operation) => ({
      operation: operation.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase() as Right['operation'],
      type: type as Right['type'],
      name: own,
    }))
  })
}

/** The user has these rights and no other. */
async function allow(rights: readonly Right[]): Promise<void> {
  const any = { resourcePatternType: kafkajs.ResourcePatternTypes.ANY, permissionType: kafkajs.AclPermissionTypes.ANY }
  const all = { ...any, resourceType: kafkajs.AclResourceTypes.ANY, operation: kafkajs.AclOperationTypes.ANY, principal: 'User:app' }
  await admin.deleteAcls({ filters: [all] })
  if (rights.length > 0)
    await admin.createAcls({
      acl: rights.map(({ operation, type, name }) => ({
        resourceType: kafkajs.AclResourceTypes[type === 'Topic' ? 'TOPIC' : 'GROUP'],
        resourceName: name.replace(/\*$/, ''),
        resourcePatternType: kafkajs.ResourcePatternTypes[name.endsWith('*') ? 'PREFIXED' : 'LITERAL'],
        principal: 'User:app',
        host: '*',
        operation: kafkajs.AclOperationTypes[operation],
        permissionType: kafkajs.AclPermissionTypes.ALLOW,
      })),
    })
  const known = async () => {
    const { resources } = await admin.describeAcls(all)
    return resources.flatMap(({ acls }) => acls).length === rights.length
  }
  await until(known)
}

/** A service as its author writes one, by the user whose rights are tried, or by one who may do anything. */
function service(topology: 'create' | 'check', user: 'app' | 'all', logger: Logger = pino({ level: 'silent' })): Messaging {
  const at = `127.0.0.1:${running?.ports.SASL}`
  const who = user === 'all' ? { url } : { url: at, auth: { username: 'app', password: 'secret' } }
  const messaging = createMessaging({
    broker: 'kafka',
    service: 'rights',
    env: {},
    logger,
    topology,
    publish: { timeoutMs: 3_000 },
    ...who,
  })
  onTestFinished(() => messaging.close())
  return messaging
}

interface Trial {
  readonly topic: string
  readonly group: string
}

/** All that a publisher does. */
async function publishes({ topic }: Trial, mode: 'create' | 'check'): Promise<void> {
  const messaging = service(mode, 'app')
  await messaging.getProducer().send(topic, { n: 1 }, { key: 'k' })
  await messaging.close()
}

/** All that a consumer does: it handles, retries now and later, and buries; another member comes and goes. */
async function consumes({ topic, group }: Trial, mode: 'create' | 'check'): Promise<void> {
  const handled: number[] = []
  const begin = async (user: 'app' | 'all') => {
    const messaging = service(mode, user)
    messaging.handle({ topic, group, maxRetries: 1, retryDelayMs: 100 }, ({ n }: { n: number }, { attempt }) => {
      handled.push(n)
      if (n === 3 || (n === 2 && attempt === 1)) throw new Error('not this one')
    })
    await messaging.start()
    return messaging
  }
  const messaging = await begin('app')
  const others = bare.producer()
  await others.connect()
  await others.send({ topic, messages: [1, 2, 3].map((n) => ({ key: 'k', value: JSON.stringify({ n }) })) })
  await others.disconnect()
  const seen = () => handled.toSorted().join() === '1,2,2,3,3' && messaging.counters.dead === 1
  await expect.poll(seen, { timeout: 15_000 }).toBe(true)
  await messaging.close()
}

/** Whether a consumer is refused, or says what it lacks. */
async function isMissed({ topic, group }: Trial, mode: 'create' | 'check'): Promise<boolean> {
  const said: string[] = []
  const messaging = service(mode, 'app', pino({ level: 'warn' }, { write: (line: string) => void said.push(line) }))
  messaging.handle({ topic, group, maxRetries: 1, retryDelayMs: 100 }, ({ n }: { n: number }, { attempt }) => {
    if (n === 3 || (n === 2 && attempt === 1)) throw new Error('not this one')
  })
  try {
    await messaging.start()
  } catch {
    return true
  }
  const others = bare.producer()
  await others.connect()
  await others.send({ topic, messages: [1, 2, 3].map((n) => ({ key: 'k', value: JSON.stringify({ n }) })) })
  await others.disconnect()
  // The dead letter that it is to be is no complaint.
  const isSaid = () => said.some((line) => !/\(failed\): not this one/.test(line))
  await until(() => isSaid() || messaging.counters.dead === 1)
  await quiet()
  const missed = isSaid()
  await messaging.close()
  return missed
}

/** As the topics of others are there before anybody of ours comes. */
async function ready({ topic, group }: Trial): Promise<void> {
  const messaging = service('create', 'all')
  messaging.handle({ topic, group, maxRetries: 1, retryDelayMs: 100 }, () => undefined)
  await messaging.start()
  await messaging.close()
}

const topicsNow = async () => (await admin.listTopics()).filter((name) => !name.startsWith('__')).sort()
const trial = (): Trial => ({ topic: `orders${newId().replaceAll('-', '')}`, group: `billing${newId().replaceAll('-', '')}` })

describe.skipIf(!running)('a user of Kafka who may do nothing else', () => {
  test.each(['check', 'create'] as const)(
    'publishes with %s',
    async (mode) => {
      const made = async () => {
        const of = trial()
        if (mode === 'check') await createTopics(admin, [{ topic: of.topic, numPartitions: 2 }])
        return { of, rights: rightsIn(RIGHTS[`a publisher, ${mode}`], of.topic, of.group) }
      }
      const { of, rights } = await made()
      await allow(rights)
      await publishes(of, mode)
      for (const [n, { operation }] of rights.entries()) {
        const lacking = await made()
        await allow(lacking.rights.toSpliced(n, 1))
        await expect(publishes(lacking.of, mode), operation).rejects.toThrow()
      }
    },
    120_000,
  )

  test.each(['check', 'create'] as const)(
    'consumes with %s',
    async (mode) => {
      const of = trial()
      if (mode === 'check') await ready(of)
      await allow(rightsIn(RIGHTS[`a consumer, ${mode}`], of.topic, of.group))
      await consumes(of, mode)
    },
    120_000,
  )

  test('sends dead letters to a topic of others without retries, makes nothing, and while it may not write there keeps them whole', async () => {
    const of = trial()
    const dead = `dead-${of.topic}`
    await createTopics(
      admin,
      [of.topic, dead].map((topic) => ({ topic, numPartitions: 2 })),
    )
    const before = await topicsNow()
    const named = "a handler with maxRetries: 0 and deadLetter: { to: { topic: 'dead' } }"
    const rights = rightsIn(RIGHTS[named], of.topic, of.group).map((right) => (right.name === 'dead' ? { ...right, name: dead } : right))
    await allow(rights)
    const messaging = service('create', 'app')
    messaging.handle({ ...of, maxRetries: 0, deadLetter: { to: { topic: dead } } }, () => {
      throw new Error('not this one')
    })
    await messaging.start()
    const { send } = service('check', 'all').getProducer()
    await send(of.topic, { n: 1 })
    await until(() => messaging.counters.dead === 1)
    await allow(rights.filter(({ name }) => name !== dead))
    const text = 'x'.repeat(1_000)
    await send(of.topic, { text }, { headers: { mine: 'yes' } })
    await until(() => !messaging.health().ready)
    await quiet(1_000)
    expect(messaging.counters.dead).toBe(1)
    await allow(rights)
    await until(() => messaging.counters.dead === 2)
    const letters = await (await openRoom(url).bare()).read(dead)
    const letter = letters.find(({ value }) => String(value) === JSON.stringify({ text }))
    expect([letters.length, String(letter?.headers?.mine)]).toEqual([2, 'yes'])
    expect(await topicsNow()).toEqual(before)
  }, 120_000)

  test.each(['check', 'create'] as const)(
    'consumes with %s, and is refused or says so without any one of these rights',
    async (mode) => {
      const count = rightsIn(RIGHTS[`a consumer, ${mode}`], 'orders', 'billing').length
      for (let n = 0; n < count; n++) {
        const of = trial()
        if (mode === 'check') await ready(of)
        const rights = rightsIn(RIGHTS[`a consumer, ${mode}`], of.topic, of.group)
        const [{ operation, name }] = rights.slice(n, n + 1) as [Right]
        await allow(rights.toSpliced(n, 1))
        expect(await isMissed(of, mode), `${operation} on ${name}`).toBe(true)
      }
    },
    400_000,
  )

  test.each(['check', 'create'] as const)(
    'reads a topic without retries and dead letters with %s, and makes nothing',
    async (mode) => {
      const of = trial()
      const { topic, group } = of
      await createTopics(admin, [{ topic, numPartitions: 2 }])
      const before = await topicsNow()
      const rights = rightsIn(RIGHTS['a handler with maxRetries: 0 and deadLetter: false'], topic, group)
      await allow(rights)
      const messaging = service(mode, 'app')
      const handled: number[] = []
      messaging.handle({ topic, group, maxRetries: 0, deadLetter: false }, ({ n }: { n: number }) => {
        handled.push(n)
        if (n === 1) throw new Error('is dropped')
      })
      await messaging.start()
      const others = bare.producer()
      await others.connect()
      await others.send({ topic, messages: [1, 2].map((n) => ({ key: 'k', value: JSON.stringify({ n }) })) })
      await others.disconnect()
      await until(() => handled.length === 2)
      await messaging.close()
      const driver = await openRoom(url).connected()
      await until(async () => (await driver.admin.depth(topic, group)).ready === 0)
      expect(await topicsNow()).toEqual(before)
      for (const right of rights) {
        await allow(rights.filter((one) => one !== right))
        const lacking = service(mode, 'app')
        lacking.handle({ topic, group, maxRetries: 0, deadLetter: false }, () => undefined)
        await expect(lacking.start(), right.type).rejects.toThrow()
      }
      expect(await topicsNow()).toEqual(before)
    },
    120_000,
  )

  test('whose start is refused leaves nothing behind, whatever right is missing', async () => {
    const of = trial()
    const rights = rightsIn(RIGHTS['a consumer, create'], of.topic, of.group)
    const before = await topicsNow()
    const code = { CREATE: 'TOPOLOGY', DESCRIBE_CONFIGS: 'ACCESS_REFUSED', READ: 'GROUP_DEAD' } as const
    for (const right of rights.filter(({ operation, type }) => operation in code && (operation !== 'READ' || type === 'Group'))) {
      await allow(rights.filter((one) => one !== right))
      const driver = await openRoom(`127.0.0.1:${running?.ports.SASL}`).connected({ auth: { username: 'app', password: 'secret' } })
      const refused = { code: code[right.operation as keyof typeof code] }
      await expect(member(driver, { topics: [of.topic], group: of.group }), right.name).rejects.toMatchObject(refused)
    }
    await quiet()
    expect(await topicsNow()).toEqual(before)
  }, 120_000)
})
