import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import type { Driver, Message } from '../driver.ts'
import { CorebusError, PublishError } from '../errors.ts'
import { type Answer, gate, message, outcome, publisherOn } from './fixtures/publisher.ts'

describe('batches', () => {
  test('what is published in one go leaves as one batch, in order', async () => {
    const { publisher, batches } = publisherOn()
    await Promise.all(['1', '2', '3'].map((id) => publisher.publish([message(id)])))
    expect(batches).toEqual(['1 2 3'])
  })

  test('one batch a topic is out at a time; what comes meanwhile leaves together', async () => {
    const first = gate()
    const { publisher, clock, batches } = publisherOn([first.answer])
    const one = publisher.publish([message('1')])
    await clock.settle()
    const others = ['2', '3', '4'].map((id) => publisher.publish([message(id)]))
    const other = publisher.publish([message('x', 'elsewhere')])
    await other
    expect(batches).toEqual(['1', 'x'])
    first.open()
    await Promise.all([one, ...others])
    expect(batches).toEqual(['1', 'x', '2 3 4'])
  })

  test('are bounded by number and by bytes, and keep their order', async () => {
    const { publisher, batches } = publisherOn([], { maxPending: 10_000 })
    await publisher.publish(Array.from({ length: 2_500 }, (_, i) => message(String(i))))
    expect(batches.map((batch) => batch.split(' ').length)).toEqual([1_000, 1_000, 500])
    expect(batches.join(' ').split(' ')).toEqual(Array.from({ length: 2_500 }, (_, i) => String(i)))
    await publisher.publish(['a', 'b', 'c'].map((id) => message(id, 't', 3 * 1024 * 1024)))
    expect(batches.slice(3)).toEqual(['a', 'b', 'c'])
  })

  test('none waits for another where the driver keeps their order, and what fails in one is not the others’ fault', async () => {
    const first = gate()
    const { publisher, batches } = publisherOn([first.answer], {}, { pipelinedBatch: 2 })
    const results = ['1', '2', '3', '4', '5'].map((id) => outcome(publisher.publish([message(id)])))
    expect(await Promise.all(results.slice(2))).toEqual(['confirmed', 'confirmed', 'confirmed'])
    expect(batches).toEqual(['1 2', '3 4', '5'])
    first.fail(new PublishError([{ id: '2', permanent: true, cause: new Error('too large') }]))
    expect(await Promise.all(results)).toEqual(['confirmed', ['PUBLISH_FAILED', '2 true too large'], 'confirmed', 'confirmed', 'confirmed'])
  })

  test('of one topic keep their order while it is still being declared, also where none waits for another', async () => {
    const declared = Promise.withResolvers<void>()
    let known = false
    const ensureTopic = () => (known ? undefined : declared.promise)
    const { publisher, clock, batches } = publisherOn([], { ensureTopic }, { pipelinedBatch: 2 })
    const early = ['1', '2', '3'].map((id) => publisher.publish([message(id)]))
    await clock.settle()
    known = true
    declared.resolve()
    const late = publisher.publish([message('4')])
    await Promise.all([...early, late])
    expect(batches.join(' ')).toBe('1 2 3 4')
  })

  test('a topic is declared before its first message, once', async () => {
    const { publisher, ensured } = publisherOn()
    await publisher.publish([message('1'), message('2', 'other')])
    await publisher.publish([message('3')])
    expect(ensured).toEqual(['t', 'other'])
  })

  test('nothing to publish is fine', async () => {
    const { publisher, batches } = publisherOn()
    await publisher.publish([])
    expect(batches).toEqual([])
  })
})

describe('failures', () => {
  const some =
    (ids: string[], permanent: boolean): Answer =>
    async () => {
      throw new PublishError(ids.map((id) => ({ id, permanent, cause: new Error('too large') })))
    }

  test('name the messages; the others of the batch are confirmed', async () => {
    const { publisher } = publisherOn([some(['2'], true)])
    const results = await Promise.all(['1', '2', '3'].map((id) => outcome(publisher.publish([message(id)]))))
    expect(results).toEqual(['confirmed', ['PUBLISH_FAILED', '2 true too large'], 'confirmed'])
  })

  test('of one call are told together, also when it left in several batches', async () => {
    const { publisher } = publisherOn([some(['1'], true), some(['b'], false)])
    expect(await outcome(publisher.publish([message('1'), message('2'), message('a', 'u'), message('b', 'u')]))).toEqual([
      'PUBLISH_FAILED',
      '1 true too large',
      'b false too large',
    ])
  })

  test('of the connection or of a topic are nobody’s fault, and the next publish tries again', async () => {
    let broken = true
    const { publisher, driver } = publisherOn([], {
      driver: async () => {
        if (broken) throw new CorebusError('NO_BROKER', 'no broker')
        return driver
      },
    })
    expect(await outcome(publisher.publish([message('1')]))).toEqual(['PUBLISH_FAILED', '1 false no broker'])
    broken = false
    expect(await outcome(publisher.publish([message('2')]))).toBe('confirmed')
  })
})

describe('back-pressure', () => {
  test('one more than maxPending is refused at once; there is room again with the confirms', async () => {
    const first = gate()
    const { publisher, clock, batches } = publisherOn([first.answer], { maxPending: 3 })
    const held = publisher.publish([message('1'), message('2'), message('3')])
    await clock.settle()
    expect(await outcome(publisher.publish([message('4')]))).toEqual([
      'BACKPRESSURE',
      '4 false 1 more would wait for their confirm beside 3, and at most 3 may (publish.maxPending)',
    ])
    first.open()
    await held
    await publisher.publish([message('5')])
    expect(batches).toEqual(['1 2 3', '5'])
  })

  test('what was never sent says why: the broker that is away, or what the topic has under way', async () => {
    const away = publisherOn([], { driver: () => new Promise(() => undefined), away: () => 'nobody answers at broker:1' })
    const alone = outcome(away.publisher.publish([message('a')]))
    await away.clock.advance(1_000)
    expect(await alone).toEqual(['PUBLISH_TIMEOUT', 'a false not sent within 1000 ms (publish.timeoutMs): nobody answers at broker:1'])

    const busy = publisherOn([() => new Promise(() => undefined)])
    const out = outcome(busy.publisher.publish([message('a')]))
    await busy.clock.settle()
    const behind = outcome(busy.publisher.publish([message('b')]))
    await busy.clock.advance(1_000)
    expect(await out).toEqual(['PUBLISH_TIMEOUT', expect.stringContaining('the message may still be on the broker')])
    expect(await behind).toEqual([
      'PUBLISH_TIMEOUT',
      expect.stringContaining(
        'b false not sent within 1000 ms (publish.timeoutMs): what was published to its topic before is not confirmed yet',
      ),
    ])
  })

  test('what timed out while the broker is away is not kept', async () => {
    const never = Promise.withResolvers<Driver>()
    const { publisher, clock } = publisherOn([], { driver: () => never.promise, maxPending: 10 })
    const refs: WeakRef<Message>[] = []
    for (let round = 0; round < 5; round++) {
      const results = Array.from({ length: 10 }, (_, i) => {
        const one = message(`${round}-${i}`)
        refs.push(new WeakRef(one))
        return outcome(publisher.publish([one]))
      })
      await clock.advance(1_000)
      expect(await Promise.all(results)).toEqual(results.map(() => ['PUBLISH_TIMEOUT', expect.anything()]))
    }
    setFlagsFromString('--expose-gc')
    ;(runInNewContext('gc') as () => void)()
    await clock.settle()
    expect(refs.filter((ref) => ref.deref()).length).toBeLessThanOrEqual(20)
  })
})

describe('drain', () => {
  test('resolves when nothing is pending, and what comes after it is refused', async () => {
    const first = gate()
    const { publisher, clock } = publisherOn([first.answer])
    const held = publisher.publish([message('1')])
    let drained = false
    const draining = publisher.drain().then(() => (drained = true))
    await clock.settle()
    expect(drained).toBe(false)
    expect(await outcome(publisher.publish([message('2')]))).toEqual(['CLOSED', '2 false this instance is closed'])
    first.open()
    await Promise.all([held, draining])
    await publisher.drain()
  })

  test('does not wait longer than the deadline', async () => {
    const { publisher, clock } = publisherOn([() => new Promise(() => undefined)])
    const held = outcome(publisher.publish([message('1')]))
    const draining = publisher.drain()
    await clock.advance(1_000)
    await draining
    expect(await held).toMatchObject(['PUBLISH_TIMEOUT', expect.anything()])
  })
})
