import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { collector, until } from '../../test/kit.ts'
import type { Driver } from '../driver.ts'
import { sqliteDriver } from '../drivers/sqlite/driver.ts'
import { createMessaging } from '../messaging.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { watchUnclaimed } from './unclaimed.ts'

const DAY_MS = 24 * 3_600_000

/** A broker that says what the test says. */
function broker() {
  const state = { groups: [] as string[], ready: 0, oldestMs: 0, looks: 0, broken: false }
  const admin = {
    topics: async ([topic]: readonly string[]) => {
      state.looks++
      if (state.broken) throw new Error('away')
      return [{ topic, groups: state.groups }]
    },
    depth: async () => ({ ready: state.ready, dead: 0, oldestMs: state.oldestMs }),
  }
  const driver = { capabilities: { unclaimed: { messages: 1_000, keepMs: 10 * DAY_MS } }, admin } as unknown as Driver
  return { state, driver }
}

const settled = () => new Promise((done) => setImmediate(done))

test('nobody reads a topic: said at a tenth and at the half of what it may hold, once each', async () => {
  const { state, driver } = broker()
  const { logger, lines } = collector('warn')
  const watch = watchUnclaimed({ clock: new VirtualClock(), logger, group: 'g' })
  for (const ready of [40, 99, 100, 300, 499, 500, 999]) {
    state.ready = ready
    watch.stored(driver, 't', 50)
    await settled()
  }
  expect(lines.map(({ msg }) => msg)).toEqual([
    "no group has ever read topic t: 100 messages wait there, the oldest for 0 min, and 1000 at most are kept. Start its consumer, or stop publishing to it; where only other programs read it, topology: { topics: { 't': { unclaimed: false } } } keeps nothing",
    expect.stringContaining('500 messages wait there'),
  ])
})

test('a topic with little in it is looked at once a minute, and by the age of its oldest; one that is read is well', async () => {
  const { state, driver } = broker()
  const { logger, lines } = collector('warn')
  const clock = new VirtualClock()
  const watch = watchUnclaimed({ clock, logger, group: 'g' })
  const publish = async (afterMs: number) => {
    await clock.advance(afterMs)
    watch.stored(driver, 't', 1)
    await settled()
  }
  await publish(0)
  await publish(30_000)
  expect(state.looks).toBe(0)
  state.oldestMs = 6 * DAY_MS
  await publish(30_000)
  expect([state.looks, lines.map(({ msg }) => msg)]).toEqual([
    1,
    [expect.stringContaining('the oldest for 6 days, and they are kept for 10 days')],
  ])
  state.groups = ['g']
  await publish(60_000)
  state.groups = []
  state.broken = true
  await publish(60_000)
  state.broken = false
  await publish(60_000)
  expect([state.looks, lines.length]).toEqual([4, 2])
  watch.end()
  await publish(60_000)
  expect(state.looks).toBe(4)
})

test('it is so on a real broker: what is published for nobody', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-unclaimed-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { logger, lines } = collector('warn')
  const messaging = createMessaging({
    driver: (options) => sqliteDriver(options, { ungroupedMessages: 100 }),
    url: join(folder, 'broker.db'),
    service: 's',
    logger,
    env: {},
  })
  for (let i = 0; i < 12; i++) await messaging.publishEvent('x', {}, { topic: 'nobody' })
  await until(
    () => lines.length > 1,
    () => messaging.counters,
  )
  expect(lines[1]?.msg).toMatch(
    /^no group has ever read topic nobody: 1\d messages wait there, the oldest for 0 min, and 100 at most are kept/,
  )
  await messaging.close()
})
