import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { VirtualClock } from '../../test/virtual-clock.ts'
import type { Driver, Message } from '../driver.ts'
import { CorebusError, PublishError } from '../errors.ts'
import { Publisher, type PublisherOptions } from './publisher.ts'

const message = (id: string, topic = 't', bytes = 1): Message => ({ id, topic, headers: {}, body: new Uint8Array(bytes) })

type Answer = (messages: readonly Message[]) => Promise<void>

/** Each batch is answered by the next of `answers`, and is fine without one. */
function publisherOn(answers: Answer[] = [], options: Partial<PublisherOptions> = {}, able: Pick<Driver, 'pipelinedBatch'> = {}) {
  const clock = new VirtualClock()
  const batches: string[] = []
  const ensured: string[] = []
  const driver = {
    ...able,
    publish: async (messages: readonly Message[]) => {
      batches.push(messages.map(({ id }) => id).join(' '))
      await answers.shift()?.(messages)
    },
  } as unknown as Driver
  const publisher = new Publisher({
    driver: async () => driver,
    ensureTopic: (topic) => {
      if (ensured.includes(topic)) return undefined
      ensured.push(topic)
      return Promise.resolve()
    },
    clock,
    timeoutMs: 1_000,
    maxPending: 100,
    ...options,
  })
  return { publisher, clock, batches, driver, ensured }
}

/** Holds its batch until it is opened. */
function gate(): { answer: Answer; open(): void; fail(error: Error): void } {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  return { answer: () => promise, open: resolve, fail: reject }
}

const outcome = (publish: Promise<void>): Promise<unknown> =>
  publish.then(
    () => 'confirmed',
    (error: unknown) =>
      error instanceof PublishError
        ? [error.code, ...error.failures.map(({ id, permanent, cause }) => `${id} ${permanent} ${cause.message}`)]
        : error,
  )

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

describe('the deadline', () => {
  test('rejects what is not confirmed by then, and says that its outcome is unknown', async () => {
    const never = gate()
    const { publisher, clock } = publisherOn([async () => undefined, never.answer])
    const call = outcome(publisher.publish([message('1'), message('2', 'u')]))
    await clock.advance(999)
    const early = await Promise.race([call, Promise.resolve('pending')])
    await clock.advance(1)
    expect([early, await call]).toEqual([
      'pending',
      [
        'PUBLISH_TIMEOUT',
        expect.stringMatching(/^2 false no confirm within 1000 ms \(publish.timeoutMs\); the message may still be on the broker/),
      ],
    ])
    never.open()
    await clock.settle()
  })

  test('the driver is told how much of it is left', async () => {
    const told: unknown[] = []
    const never = Promise.withResolvers<void>()
    const driver = {
      publish: (_: readonly Message[], options: unknown) => {
        told.push(options)
        return told.length === 1 ? never.promise : Promise.resolve()
      },
    } as unknown as Driver
    const { publisher, clock } = publisherOn([], { driver: async () => driver })
    const calls = [publisher.publish([message('1')])]
    await clock.advance(300)
    calls.push(publisher.publish([message('2')]))
    await clock.advance(200)
    calls.push(publisher.publish([message('3')]))
    await clock.advance(100)
    never.resolve()
    await Promise.all(calls)
    expect(told).toEqual([{ withinMs: 1_000 }, { withinMs: 900 }])
  })

  test.each([
    ['the state of the connection', 'nobody answers', 'no leader', ': nobody answers'],
    ['what the driver knows', undefined, 'no leader', ': no leader'],
    ['nothing where nothing is known', undefined, undefined, ''],
  ])('what was sent says why it is not confirmed: %s', async (_, away, trouble, why) => {
    const driver = {
      publish: () => new Promise(() => undefined),
      trouble: (topic: string) => (topic === 'u' && trouble !== undefined ? new Error(trouble) : undefined),
    } as unknown as Driver
    const { publisher, clock } = publisherOn([], { driver: async () => driver, away: () => away })
    const call = outcome(publisher.publish([message('1'), message('2', 'u')]))
    await clock.advance(1_000)
    const text = (why: string) => `no confirm within 1000 ms (publish.timeoutMs)${why}; the message may still be on the broker`
    expect(await call).toEqual(['PUBLISH_TIMEOUT', `1 false ${text(away ? why : '')}`, `2 false ${text(why)}`])
  })

  test('is told by the core also when the driver meets it first', async () => {
    const causes = ['1', '2'].map((id) => ({ id, permanent: false, cause: new CorebusError('PUBLISH_TIMEOUT', 'no confirm in time') }))
    const inTime = gate()
    const { publisher, clock } = publisherOn([inTime.answer])
    const call = outcome(publisher.publish([message('1'), message('2')]))
    await clock.advance(995)
    inTime.fail(new PublishError(causes))
    const text = 'no confirm within 1000 ms (publish.timeoutMs); the message may still be on the broker'
    expect(await call).toEqual(['PUBLISH_TIMEOUT', `1 false ${text}`, `2 false ${text}`])
  })

  test('what the driver says at the deadline is why, and what it refuses for good is told as it is', async () => {
    const inTime = gate()
    const { publisher, clock } = publisherOn([inTime.answer])
    const calls = [outcome(publisher.publish([message('1')])), outcome(publisher.publish([message('2')]))]
    await clock.advance(995)
    inTime.fail(
      new PublishError([
        { id: '1', permanent: false, cause: new CorebusError('BROKER_FILE_LOCKED', 'another process has locked the file') },
        { id: '2', permanent: true, cause: new Error('too large') },
      ]),
    )
    expect(await Promise.all(calls)).toEqual([
      [
        'PUBLISH_TIMEOUT',
        '1 false no confirm within 1000 ms (publish.timeoutMs): another process has locked the file; the message may still be on the broker',
      ],
      ['PUBLISH_FAILED', '2 true too large'],
    ])
  })

  test('a time-out of something else is told at once, as it is', async () => {
    const cause = new CorebusError('PUBLISH_TIMEOUT', 'no confirm in time (the registry)')
    const { publisher } = publisherOn([() => Promise.reject(new PublishError([{ id: '2', permanent: false, cause }]))], {
      ensureTopic: (topic) => (topic === 't' ? Promise.reject(cause) : undefined),
    })
    const told = [outcome(publisher.publish([message('1')])), outcome(publisher.publish([message('2', 'u')]))]
    expect(await Promise.all(told)).toEqual([
      ['PUBLISH_FAILED', '1 false no confirm in time (the registry)'],
      ['PUBLISH_FAILED', '2 false no confirm in time (the registry)'],
    ])
  })

  test('calls whose deadlines lie apart are not in one batch: none is sent long after its own', async () => {
    const first = gate()
    const { publisher, clock, batches } = publisherOn([first.answer])
    const calls = [publisher.publish([message('1')])]
    await clock.settle()
    for (const id of ['2', '3', '4']) {
      calls.push(publisher.publish([message(id)]))
      await clock.advance(200)
    }
    first.open()
    await Promise.all(calls)
    expect(batches).toEqual(['1', '2 3', '4'])
  })

  test('each call has its own', async () => {
    const never = gate()
    const { publisher, clock, batches } = publisherOn([never.answer])
    const told: string[] = []
    void publisher.publish([message('1')]).catch(() => told.push('1'))
    await clock.advance(600)
    void publisher.publish([message('2')]).catch(() => told.push('2'))
    await clock.advance(400)
    expect(told).toEqual(['1'])
    await clock.advance(600)
    expect(told).toEqual(['1', '2'])
    never.open()
    await clock.settle()
    expect(batches).toEqual(['1'])
  })

  test.each([
    [
      'behind a batch that hangs',
      (never: Promise<void>, driver: Driver): [Answer[], Partial<PublisherOptions>] => [[() => never], { driver: async () => driver }],
    ],
    [
      'while the broker connects',
      (never: Promise<void>, driver: Driver): [Answer[], Partial<PublisherOptions>] => [[], { driver: () => never.then(() => driver) }],
    ],
    [
      'while its topic is declared',
      (never: Promise<void>, driver: Driver): [Answer[], Partial<PublisherOptions>] => [
        [],
        { ensureTopic: () => never, driver: async () => driver },
      ],
    ],
  ])('what timed out is never sent: %s', async (_, given) => {
    const never = Promise.withResolvers<void>()
    const sent: string[] = []
    let answers: Answer[] = []
    const driver = {
      publish: async (messages: readonly Message[]) => {
        sent.push(...messages.map(({ id }) => id))
        await answers.shift()?.(messages)
      },
    } as unknown as Driver
    const [first, options] = given(never.promise, driver)
    answers = first
    const { publisher, clock } = publisherOn([], options)
    const results = [outcome(publisher.publish([message('hangs')]))]
    await clock.settle()
    const before = [...sent]
    results.push(outcome(publisher.publish([message('late')])))
    await clock.advance(1_000)
    expect(await Promise.all(results)).toEqual([
      ['PUBLISH_TIMEOUT', expect.anything()],
      ['PUBLISH_TIMEOUT', expect.anything()],
    ])
    const fresh = publisher.publish([message('fresh')])
    never.resolve()
    await fresh
    expect(sent).toEqual([...before, 'fresh'])
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
