import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { collector, deadLetters, onMemory, quiet, until } from '../../test/kit.ts'
import type { Members as Notes } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import type { Messaging } from '../messaging.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { newId } from '../wire/id.ts'
import { Members } from './members.ts'
import { Minute } from './minute.ts'

/** Services on one memory broker. */
function broker() {
  const url = `memory://${newId()}`
  return (service: string, options: Parameters<typeof onMemory>[0] = {}): Messaging => onMemory({ url, service, ...options })
}

describe('a group of two versions', () => {
  test('skips nothing that one of them handles, and spends no attempt on it', async () => {
    const serve = broker()
    const handled: string[] = []
    const attempts = new Set<number>()
    const [before, after] = [serve('orders'), serve('orders')]
    before.on('a', { topic: 't', group: 'g' }, (_, { attempt }) => {
      handled.push('a')
      attempts.add(attempt)
    })
    after.on('b', { topic: 't', group: 'g' }, (_, { attempt }) => {
      handled.push('b')
      attempts.add(attempt)
    })
    await before.start()
    await after.start()
    for (let n = 0; n < 40; n++) await before.publishEvent(n % 2 ? 'a' : 'b', { n }, { topic: 't', key: (n * 7) % 11 })
    await until(
      () => handled.length === 40,
      () => handled,
    )
    expect([handled.filter((name) => name === 'a').length, [...attempts]]).toEqual([20, [1]])
    expect([before.counters.skipped + after.counters.skipped, before.counters.dead + after.counters.dead]).toEqual([0, 0])
    expect(before.counters.passedOn + after.counters.passedOn).toBeGreaterThan(0)
  }, 30_000)

  test('and what only the one that left had handled is skipped', async () => {
    const serve = broker()
    const [before, after] = [serve('orders'), serve('orders')]
    before.on('a', { topic: 't', group: 'g' }, () => undefined)
    after.on('b', { topic: 't', group: 'g' }, () => undefined)
    await before.start()
    await after.start()
    await before.close()
    await after.publishEvent('a', {}, { topic: 't' })
    await until(
      () => after.counters.skipped === 1,
      () => after.counters,
    )
    expect(after.counters.passedOn).toBe(0)
  }, 30_000)

  test('also when the other one takes whatever nobody else does: what is no event goes there, and not to the dead letters', async () => {
    const serve = broker()
    const handled: unknown[] = []
    const [before, after] = [serve('orders'), serve('orders')]
    before.on('a', { topic: 't', group: 'g' }, () => undefined)
    after.handle({ topic: 't', group: 'g' }, (input) => void handled.push(input))
    await before.start()
    await after.start()
    for (let n = 0; n < 10; n++) await before.getProducer().send('t', { n })
    await until(
      () => handled.length === 10,
      () => handled,
    )
    expect(await deadLetters(before)).toEqual([])
  }, 30_000)

  test("with ordering: 'key' the key waits where it is", async () => {
    const serve = broker()
    const handled: string[] = []
    const [before, after] = [serve('orders'), serve('orders')]
    before.on('a', { topic: 't', group: 'g', ordering: 'key' }, () => void handled.push('a'))
    after.on('b', { topic: 't', group: 'g', ordering: 'key' }, () => void handled.push('b'))
    await before.start()
    await after.start()
    for (const name of ['a', 'b']) for (let key = 0; key < 8; key++) await before.publishEvent(name, {}, { topic: 't', key })
    await quiet(300)
    await before.close()
    await until(
      () => after.counters.skipped + handled.length >= 16,
      () => [handled, after.counters],
    )
    expect(handled.filter((name) => name === 'b')).toHaveLength(8)
  }, 30_000)
})

describe('two services with one group', () => {
  test('the second does not start, and both are named', async () => {
    const serve = broker()
    const [orders, billing] = [serve('orders-api'), serve('billing-api')]
    for (const one of [orders, billing]) one.handle({ topic: 't', group: 'g' }, () => undefined)
    await orders.start()
    await expect(billing.start()).rejects.toMatchObject({
      code: 'GROUP_SHARED',
      message: expect.stringMatching(/^group g of billing-api .* has a member of another service, orders-api .*, or say shared: true/),
    })
    await orders.getProducer().send('t', 1)
    await until(
      () => orders.counters.handled === 1,
      () => orders.counters,
    )
  })

  test('one of two that begin at once stays', async () => {
    const serve = broker()
    const services = [serve('orders-api'), serve('billing-api')]
    for (const one of services) one.handle({ topic: 't', group: 'g' }, () => undefined)
    const started = await Promise.allSettled(services.map((one) => one.start()))
    expect(started.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('is allowed where the group says so', async () => {
    const serve = broker()
    const [orders, billing] = [serve('orders-api'), serve('billing-api')]
    for (const one of [orders, billing]) one.handle({ topic: 't', group: 'g', shared: true }, () => undefined)
    await orders.start()
    await billing.start()
  })
})

describe('the list', () => {
  function bench(notes: Partial<Notes> = {}) {
    const clock = new VirtualClock()
    const { logger, lines } = collector('warn')
    const list = vi.fn(async () => [other])
    const plan = {
      group: 'g',
      shared: false,
      concurrency: 3,
      topics: new Map([['t', { topic: 't', events: new Map([['a', {}]]), rest: undefined, deadLetter: {} }]]),
    }
    const told: string[] = []
    const members = new Members({
      plan: plan as never,
      service: 'orders',
      version: '1.0.0',
      clock,
      logger,
      minute: new Minute(),
      busy: () => 2,
      notes: { tell: async (_, __, note) => void told.push(note), list, leave: async () => undefined, ...notes },
    })
    onTestFinished(() => members.leave())
    return { clock, lines, list, members, told }
  }
  const other = {
    member: 'other',
    note: JSON.stringify({
      service: 'orders',
      host: 'h',
      pid: 1,
      since: 0,
      state: 'joined',
      slots: 1,
      busy: 0,
      handles: { t: ['b'] },
      minute: { handled: 0, failed: 0, dead: 0 },
    }),
  }

  test('is read at most once a second, whatever comes, and nothing is decided by one that is older than two', async () => {
    const { clock, list, members } = bench()
    const joined = members.join()
    await clock.advance(2_500)
    await joined
    list.mockClear()
    const ask = async () => [await members.handles('t', 'b'), await members.handles('t', 'c')]
    expect(await ask()).toEqual([true, false]) // older than two seconds: read first
    expect(list).toHaveBeenCalledTimes(1)
    for (let n = 0; n < 100; n++) {
      await ask()
      await clock.advance(50)
    }
    expect(list.mock.calls.length).toBeGreaterThanOrEqual(5)
    expect(list.mock.calls.length).toBeLessThanOrEqual(6)
    expect(typeof members.handles('t', 'c')).toBe('boolean')
  })

  test('who brings handlers that others lack begins when no decision without them is left; who brings none begins at once', async () => {
    const { clock, members } = bench()
    let joined = false
    const joining = members.join().then(() => {
      joined = true
    })
    await clock.advance(2_499)
    expect(joined).toBe(false)
    await clock.advance(1)
    await joining
    const same = bench({ list: async () => [{ ...other, note: other.note.replace('["b"]', '["a","b"]') }] })
    await same.members.join()
  })

  test('says how many others there are; where it cannot be read there are none', async () => {
    const { members, clock } = bench()
    const joined = members.join()
    await clock.advance(2_500)
    await joined
    expect(members.others).toBe(1)
    const unread = bench({ list: () => Promise.reject(new Error('no right to read it')) })
    await unread.members.join()
    expect(unread.members.others).toBe(0)
  })

  test('that cannot be read is said once, and nothing is passed on', async () => {
    const { members, lines, clock } = bench({ list: () => Promise.reject(new Error('no right to read it')) })
    await members.join()
    expect(members.handles('t', 'b')).toBe(false)
    await clock.advance(60_000)
    expect(lines.map(({ msg }) => msg)).toEqual([
      'group g starts without knowing its other members: no right to read it. What only some members of the group handle may be skipped by others',
    ])
  })

  test('that could be read and cannot be read now decides nothing: what comes goes round', async () => {
    let away = false
    const { members, clock } = bench({ list: async () => (away ? Promise.reject(new Error('away')) : []) })
    await members.join()
    await clock.advance(3_000)
    away = true
    expect(await members.handles('t', 'c')).toBe(true)
  })

  test('that lacks ourselves lacks others too: who was there before counts until they have had the time to say so anew', async () => {
    let notes: { member: string; note: string }[] = [other]
    let ours: { member: string; note: string } | undefined
    const { members, clock } = bench({
      tell: async (_, member, note) => {
        ours = { member, note }
      },
      list: async () => [...notes, ...(ours ? [ours] : [])],
    })
    const joined = members.join()
    await clock.advance(2_500)
    await joined
    expect(await members.handles('t', 'b')).toBe(true)
    await clock.advance(5_000)
    notes = []
    ours = undefined
    expect(await members.handles('t', 'b')).toBe(true)
    expect(await members.handles('t', 'c')).toBe(false)
    await clock.advance(3_000)
    expect(await members.handles('t', 'b')).toBe(true)
    await clock.advance(12_000)
    expect(await members.handles('t', 'b')).toBe(false)
  })

  test('that took long to be read decides nothing: it is read once more', async () => {
    const slow = Promise.withResolvers<void>()
    let calls = 0
    let found: { member: string; note: string }[] = []
    const { members, clock } = bench({
      list: async () => {
        const before = found
        if (++calls === 2) await slow.promise
        return before
      },
    })
    await members.join()
    await clock.advance(5_000)
    const asked = members.handles('t', 'b')
    found = [other]
    await clock.advance(4_000)
    slow.resolve()
    expect(await asked).toBe(true)
  })

  test('is not asked for again within a second where it was refused', async () => {
    let away = false
    let asked = 0
    const { members, clock } = bench({
      list: async () => {
        asked++
        return away ? Promise.reject(new Error('away')) : []
      },
    })
    await members.join()
    await clock.advance(5_000)
    away = true
    asked = 0
    for (let n = 0; n < 20; n++) expect(await members.handles('t', 'c')).toBe(true)
    expect(asked).toBe(1)
  })

  test('nobody is on any more after a minute in which nothing could be told: that is said once, until it can be again', async () => {
    let away = false
    const { members, clock, lines } = bench({
      list: async () => [],
      tell: () => (away ? Promise.reject(new Error('no right to write it')) : Promise.resolve()),
    })
    await members.join()
    away = true
    await clock.advance(200_000)
    expect(lines.map(({ msg }) => msg)).toEqual([
      expect.stringMatching(/^the other members of group g have not heard of this one for a minute: no right to write it/),
    ])
  })

  test('whoever leaves while it joins does not say that it has joined', async () => {
    const { members, clock, told } = bench()
    const joined = members.join()
    await clock.advance(1_000)
    await members.leave()
    await expect(joined).rejects.toMatchObject({ code: 'CLOSED' })
    expect(told).toHaveLength(1)
  })

  test('that cannot be had at the start because the broker is in trouble decides nothing until it can', async () => {
    let away = true
    const lost = () => Promise.reject(new CorebusError('CONNECTION_LOST', 'away'))
    const { members, clock } = bench({ tell: () => (away ? lost() : Promise.resolve()), list: async () => [] })
    await members.join()
    expect(await members.handles('t', 'b')).toBe(true)
    away = false
    await clock.advance(10_000)
    expect(await members.handles('t', 'b')).toBe(false)
  })

  test('that does not come holds no message for long, and no close', async () => {
    let hangs = false
    const { members, clock } = bench({ list: () => (hangs ? new Promise(() => {}) : Promise.resolve([])) })
    await members.join()
    await clock.advance(5_000)
    hangs = true
    const asked = members.handles('t', 'b')
    await clock.advance(2_000)
    expect(await asked).toBe(true)
    const again = members.handles('t', 'b')
    await members.leave()
    expect(await again).toBe(true)
  })

  test('of others is read as it is: what is no note is passed over', async () => {
    const { members } = bench({
      list: async () => [
        { member: 'x', note: 'garbage' },
        { member: 'y', note: '{"handles":{"t":["b"]}}' },
        { member: 'z', note: 'null' },
      ],
    })
    await members.join()
    expect(members.handles('t', 'b')).toBe(false)
  })

  test('a member says what it has done in the last minute, every 10 s', async () => {
    const { clock, members, told } = bench({ list: async () => [] })
    await members.join()
    await clock.advance(10_000)
    expect(told).toHaveLength(3)
    expect(JSON.parse(told[2] as string)).toMatchObject({
      service: 'orders',
      version: '1.0.0',
      pid: process.pid,
      state: 'joined',
      slots: 3,
      busy: 2,
      handles: { t: ['a'] },
      minute: { handled: 0, failed: 0, dead: 0 },
    })
  })
})

test('a minute has six spans', () => {
  const minute = new Minute()
  for (let n = 0; n < 8; n++) {
    minute.count({ kind: 'ok' })
    minute.count({ kind: 'failed', error: new Error('no') })
    minute.dead++
    expect(minute.turn()).toEqual({ handled: Math.min(n + 1, 6), failed: Math.min(n + 1, 6), dead: Math.min(n + 1, 6) })
  }
  for (let n = 5; n >= 0; n--) expect(minute.turn().handled).toBe(n)
})
