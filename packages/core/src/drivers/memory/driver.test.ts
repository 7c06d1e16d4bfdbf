import { expect, test } from 'vitest'
import { onMemory, until } from '../../../test/kit.ts'
import { systemClock } from '../../clock.ts'
import type { Clock, Delivery, Driver, DriverOptions, Message } from '../../driver.ts'
import { newId } from '../../wire/id.ts'
import { memoryDriver } from './driver.ts'

// What every broker must do is in memory.conformance.test.ts; here is what only this one does.

const options: DriverOptions = {
  url: 'memory://default',
  service: 'shop',
  prefix: '',
  publishTimeoutMs: 10_000,
  clock: systemClock,
  durability: 'normal',
  tls: false,
}

async function connected(given: Partial<DriverOptions> = {}): Promise<Driver> {
  const driver = memoryDriver({ ...options, url: `memory://${newId()}`, ...given })
  await driver.connect(() => {})
  return driver
}

function message(topic: string, id: string = newId()): Message {
  return { id, topic, headers: {}, body: new Uint8Array([1]) }
}

/** Resolves with the first `count` deliveries. */
function receive(driver: Driver, topic: string, count: number, group = 'g'): Promise<readonly Delivery[]> {
  return new Promise((resolve, reject) => {
    const got: Delivery[] = []
    driver
      .subscribe({
        topics: [topic],
        group,
        from: 'earliest',
        exclusive: false,
        limit: 2 * count,
        onLost() {},
        onState() {},
        onDeliveries(deliveries) {
          got.push(...deliveries)
          if (got.length >= count) resolve(got)
        },
      })
      .catch(reject)
  })
}

test('drivers of one name share a broker, others do not; without a name it is "default"', async () => {
  const name = newId()
  const topic = newId()
  await (await connected({ url: `memory://${name}` })).publish([message(topic, 'x')])
  expect((await (await connected({ url: `memory://${name}` })).admin.topics()).map((one) => one.topic)).toEqual([topic])
  expect(await (await connected()).admin.topics()).toEqual([])
  await (await connected({ url: 'memory://' })).publish([message(topic)])
  expect((await (await connected({ url: 'memory://default' })).admin.topics()).map((one) => one.topic)).toContain(topic)
})

test('a prefix keeps topics apart and shows in no name that is read back', async () => {
  const url = `memory://${newId()}`
  const [plain, prefixed] = [await connected({ url }), await connected({ url, prefix: 'test-' })]
  await prefixed.publish([message('orders', 'x')])
  const [delivery] = await receive(prefixed, 'orders', 1)
  expect(delivery?.message.topic).toBe('orders')
  expect(await prefixed.admin.topics()).toEqual([{ topic: 'orders', groups: ['g'], kept: 0 }])
  expect((await plain.admin.depth('orders', 'g')).inFlight).toBe(0)
})

test('an address that is not one is refused', () => {
  expect(() => memoryDriver({ ...options, url: 'redis://localhost' })).toThrow(/write memory:\/\/name/)
})

test('before connect nothing works, and it says so', async () => {
  const driver = memoryDriver(options)
  await expect(driver.publish([message('t', 'first')])).rejects.toMatchObject({ code: 'NOT_CONNECTED', failures: [{ id: 'first' }] })
  await expect(receive(driver, 't', 1)).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
})

test('nobody shares bytes or headers: not the publisher, not two groups, not a retry or a letter', async () => {
  const messaging = onMemory()
  const topic = newId()
  const seen: string[] = []
  for (const group of ['a', 'b'])
    messaging.handle({ topic, group, decode: 'bytes', maxRetries: 1, retryDelayMs: 1 }, (body: Uint8Array, { headers }) => {
      seen.push(`${[...body]} ${headers.h}`)
      body[0] = 7
      Object.assign(headers, { h: 'changed' })
      throw new Error('no')
    })
  await messaging.start()
  const driver = await messaging.driver()
  const sent = { ...message(topic), headers: { h: 'as sent' }, body: new Uint8Array([1]) }
  await driver.publish([sent])
  sent.body[0] = 7
  Object.assign(sent.headers, { h: 'changed' })
  await until(
    () => seen.length === 4,
    () => seen,
  )
  expect(seen).toEqual(Array.from({ length: 4 }, () => '1 as sent'))
  const letters = () => driver.admin.deadLetters({ topic }).then(({ letters }) => letters)
  await until(
    async () => (await letters()).length === 2,
    () => 'letters',
  )
  for (const { message: kept } of await letters()) kept.body[0] = 7
  expect((await letters()).map(({ message: kept }) => [[...kept.body], kept.headers.h])).toEqual([
    [[1], 'as sent'],
    [[1], 'as sent'],
  ])
})

test('a topic that nobody reads keeps a million messages, then refuses and says why; its first group gets them all', async () => {
  const driver = await connected()
  const topic = newId()
  const many = Array.from({ length: 1_000 }, (_, i) => message(topic, `${i}`))
  for (let i = 0; i < 1_000; i++) await driver.publish(many)
  const refused = await driver.publish([message(topic, 'a'), message('other'), message(topic, 'b')]).catch((error: unknown) => error)
  expect(refused).toMatchObject({ name: 'PublishError', code: 'TOPIC_FULL', failures: [{ id: 'a' }, { id: 'b' }] })
  expect(String(refused)).toMatch(/keeps 1000000 messages that no group has read: start a consumer/)
  expect((await driver.admin.topics()).map(({ kept }) => kept)).toEqual([1_000_000, 1])
  await receive(driver, topic, 1)
  await driver.publish([message(topic)])
  expect(await driver.admin.depth(topic, 'g')).toMatchObject({ ready: 1_000_001 - 2, inFlight: 2 })
  expect((await driver.admin.topics())[0]?.kept).toBe(0)
  await driver.close()
})

test('what nobody has read within 7 days is dropped', async () => {
  let now = 1_000_000
  const clock: Clock = { now: () => now, after: systemClock.after }
  const driver = await connected({ clock })
  const topic = newId()
  const dayMs = 24 * 60 * 60_000
  for (const id of ['old', 'young']) {
    await driver.publish([message(topic, id)])
    now += 4 * dayMs
  }
  expect(await driver.admin.depth(topic, 'g')).toMatchObject({ ready: 1, oldestMs: 4 * dayMs })
  expect((await receive(driver, topic, 1)).map((delivery) => delivery.message.id)).toEqual(['young'])
})

test('the first group that asks for the latest leaves what was kept to the next', async () => {
  const driver = await connected()
  const topic = newId()
  await driver.publish([message(topic, 'kept')])
  const ignore = { topics: [topic], from: 'latest', exclusive: false, limit: 1, onLost() {}, onState() {} } as const
  await driver.subscribe({ ...ignore, group: 'late', onDeliveries: () => expect.unreachable() })
  expect((await receive(driver, topic, 1, 'early')).map((delivery) => delivery.message.id)).toEqual(['kept'])
})

test('tail from the earliest shows what is kept without taking it', async () => {
  const driver = await connected()
  const topic = newId()
  await driver.publish([message(topic, 'kept')])
  const seen: string[] = []
  await new Promise<void>((resolve) => {
    const onMessages = (messages: readonly Message[]) => {
      seen.push(...messages.map(({ id }) => id))
      if (seen.length === 2) resolve()
    }
    void driver.tail({ topic, from: 'earliest', onMessages }).then(() => driver.publish([message(topic, 'new')]))
  })
  expect(seen).toEqual(['kept', 'new'])
  expect((await driver.admin.depth(topic, 'g')).ready).toBe(2)
})

test('publishing takes place at once, handing out after I/O and in one batch', async () => {
  const driver = await connected()
  const topic = newId()
  const batches: number[] = []
  const both = new Promise<void>((resolve) => {
    void driver.subscribe({
      topics: [topic],
      group: 'g',
      from: 'earliest',
      exclusive: false,
      limit: 100,
      onLost() {},
      onState() {},
      onDeliveries(deliveries) {
        batches.push(deliveries.length)
        resolve()
      },
    })
  })
  for (let i = 0; i < 50; i++) await driver.publish([message(topic)])
  await both
  expect(batches).toEqual([50])
})

test('a delay ends on the clock of the driver that asked for it', async () => {
  const url = `memory://${newId()}`
  const topic = newId()
  const timers: (() => void)[] = []
  let now = 0
  const still: Clock = {
    now: () => now,
    after(_, fn) {
      timers.push(fn)
      return () => {}
    },
  }
  const other = await connected({ url })
  await other.publish([message(topic, 'x')])
  const driver = await connected({ url, clock: still })
  const seen: Delivery[] = []
  let arrived: () => void = () => {}
  const next = () =>
    new Promise<void>((resolve) => {
      arrived = resolve
    })
  const first = next()
  const subscription = await driver.subscribe({
    topics: [topic],
    group: 'g',
    from: 'earliest',
    exclusive: false,
    limit: 1,
    onLost() {},
    onState() {},
    onDeliveries(deliveries) {
      seen.push(...deliveries)
      arrived()
    },
  })
  await first
  await subscription.settle([{ kind: 'retry', delivery: seen[0] as Delivery, headers: {}, afterMs: 60_000 }])
  expect(await other.admin.depth(topic, 'g')).toMatchObject({ ready: 0, delayed: 1, inFlight: 0 })
  now = 60_000
  const back = next()
  for (const fire of timers) fire()
  await back
  expect(seen.map((delivery) => delivery.message.id)).toEqual(['x', 'x'])
})
