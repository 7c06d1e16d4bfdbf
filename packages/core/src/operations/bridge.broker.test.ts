import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type BrokerName, broker } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { loadDriver } from '../broker/load-driver.ts'
import { systemClock } from '../clock.ts'
import type { Driver, Message } from '../driver.ts'
import { until } from '../testing/conformance/wait.ts'
import { newId } from '../wire/id.ts'

const NAMES: readonly BrokerName[] = ['kafka', 'rabbitmq', 'redis']
const SOAK = process.env.COREBUS_SOAK === '1'
const COUNT = SOAK ? 20_000 : 2_000
const KILLS = SOAK ? 8 : 2
const CORE = join(import.meta.dirname, '..', '..', 'bin', 'core.js')

const found = new Map(await Promise.all(NAMES.map(async (name) => [name, await broker(name)] as const)))
afterAll(async () => {
  for (const one of found.values()) await one?.stop()
})
const pairs = NAMES.flatMap((from) => NAMES.filter((to) => to !== from).map((to) => ({ from, to })))
/** On a push each is an end of two. */
const chosen = pairs.filter(({ from, to }) => SOAK || NAMES.indexOf(to) === (NAMES.indexOf(from) + 1) % NAMES.length)
const missing = [...found].filter(([, one]) => one === undefined).map(([name]) => name)

/** As an address that says which broker it is. */
const addressOf = (name: BrokerName): string => {
  const { url = '' } = found.get(name) ?? {}
  return url.includes('://') ? url : `${name}://${url}`
}

async function connected(name: BrokerName): Promise<Driver> {
  const options = { service: 's', prefix: '', publishTimeoutMs: 30_000, clock: systemClock, durability: 'normal', tls: false } as const
  const driver = await loadDriver(name, { ...options, url: found.get(name)?.url ?? '' })
  await driver.connect(() => {})
  onTestFinished(() => driver.close())
  return driver
}

function start(...args: readonly string[]): { readonly child: ChildProcess; readonly said: () => string } {
  const child = spawn(process.execPath, [CORE, 'bridge', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data))
  return { child, said: () => said }
}

describe.skipIf(missing.length > 0).each(chosen)('core bridge from $from to $to', { timeout: 300_000 }, ({ from, to }) => {
  test(`${COUNT} messages arrive whatever kills it: none is lost, with id, key, headers and bytes, in order per key`, async () => {
    const topic = `t-${newId()}`
    const [source, target] = [await connected(from), await connected(to)]
    const sent: readonly Message[] = Array.from({ length: COUNT }, (_, n) => ({
      id: newId(),
      topic,
      key: `k${n % 50}`,
      headers: { n: String(n), 'content-type': 'text/plain' },
      body: Buffer.from(`n ${n} ${'x'.repeat(n % 300)}`),
    }))
    // As in a system that is running: a group has the topic, and the bridge has begun before what it is to copy.
    const groups = ['old', 'corebus-bridge'].map((group) => ({ topic, group, delays: [], deadLetter: {} }))
    await source.ensure({ topics: [topic], groups }, 'create')
    for (let n = 0; n < COUNT; n += 1_000) await source.publish(sent.slice(n, n + 1_000))

    const first = new Map<string, Message>()
    const order: Message[] = []
    let times = 0
    const reader = await target.subscribe({
      topics: [topic],
      group: 'new',
      from: 'earliest',
      exclusive: false,
      limit: 500,
      onLost() {},
      onState() {},
      onDeliveries(deliveries) {
        for (const { message } of deliveries) {
          times++
          if (first.has(message.id)) continue
          first.set(message.id, message)
          order.push(message)
        }
        void reader.settle(deliveries.map((delivery) => ({ kind: 'ack', delivery })))
      },
    })

    const args = ['--from', addressOf(from), '--to', addressOf(to), '--topic', topic]
    for (let kills = 0; kills < KILLS; kills++) {
      const { child, said } = start(...args)
      const before = times
      await until(
        () => times > before || first.size === COUNT,
        () => [times, said()],
        60_000,
      )
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    const last = start(...args, '--until-empty')
    const [code] = await once(last.child, 'exit')
    expect(code, last.said()).toBe(0)
    await until(
      () => first.size === COUNT,
      () => [first.size, last.said()],
      60_000,
    )

    for (const { id, ...wanted } of sent) {
      const { headers, body, key } = first.get(id) as Message // their number is right, and ids are unique
      const { 'corebus-bridged': bridged, ...theirs } = headers
      expect(bridged).toMatch(/^[a-z]+-[0-9a-f]{16} [a-z]+-[0-9a-f]{16}$/)
      expect({ topic, key, headers: theirs, body: Buffer.from(body) }).toEqual(wanted)
    }
    for (const ofKey of Map.groupBy(order, ({ key }) => key).values()) {
      const numbers = ofKey.map(({ headers }) => Number(headers.n))
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    }
    // At most what was on its way at each kill.
    expect(times - COUNT).toBeLessThanOrEqual(KILLS * 1_000)
  })
})
