import { describe, expect, test } from 'vitest'
import type { Driver, Message, Target } from '../driver.ts'
import { CorebusError, PublishError } from '../errors.ts'
import { type Answer, gate, message, outcome, publisherOn } from './fixtures/publisher.ts'
import type { PublisherOptions } from './publisher.ts'

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

  test('what was sent to exchanges of others says it of each of them', async () => {
    const driver = {
      capabilities: { sources: ['exchange'], targets: true },
      publish: () => new Promise(() => undefined),
      trouble: (_: string, target?: Target) => (target ? new Error(`${target.exchange} is full`) : undefined),
    } as unknown as Driver
    const { publisher, clock } = publisherOn([], { driver: async () => driver, away: () => undefined })
    const to = (id: string, exchange: string): Message => ({ ...message(id), target: { exchange, routingKey: 'k' } })
    const call = outcome(publisher.publish([to('1', 'a'), to('2', 'b'), message('3')]))
    await clock.advance(1_000)
    const text = (why: string) => `no confirm within 1000 ms (publish.timeoutMs)${why}; the message may still be on the broker`
    expect(await call).toEqual([
      'PUBLISH_TIMEOUT',
      `1 false ${text(': a is full')}`,
      `2 false ${text(': b is full')}`,
      `3 false ${text('')}`,
    ])
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
