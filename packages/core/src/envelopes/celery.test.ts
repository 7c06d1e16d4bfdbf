import { expect, onTestFinished, test, vi } from 'vitest'
import { celeryTasks } from './celery.ts'
import { bytes, type Given, incoming, json, placed, received, written } from './fixtures/incoming.ts'

// As Celery 5 has made it: app.amqp.as_task_v2(id, 'shop.charge', (4, 9.5), {'currency': 'USD'}).
const id = '4d518375-0000-4000-8000-000000000001'
const headers = {
  lang: 'py',
  task: 'shop.charge',
  id,
  retries: '0',
  root_id: id,
  argsrepr: '(4, 9.5)',
  kwargsrepr: "{'currency': 'USD'}",
  origin: 'gen7@host',
}
const body = bytes('[[4, 9.5], {"currency": "USD"}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]')
const read = (given: Given) => celeryTasks.in(incoming(given))

test('a task is the event of its name, with what it is called with', () => {
  expect(read({ headers, body })).toEqual({
    name: 'shop.charge',
    data: { args: [4, 9.5], kwargs: { currency: 'USD' } },
    id,
    source: 'gen7@host',
  })
})

test('a message without a task in its headers is not one of ours, and a task that cannot be read says so', () => {
  expect([read({ body }), read({ headers: { task: 'x' }, body })]).toEqual([undefined, undefined])
  expect(() => read({ headers, body: json({ args: [] }) })).toThrow(
    'the body of task shop.charge is not [args, kwargs, embed] of protocol 2',
  )
  expect(() => read({ headers: { ...headers, compression: 'application/x-gzip' }, body })).toThrow(/compressed with application\/x-gzip/)
  expect(() => read({ headers, body: bytes('\x80\x04') })).toThrow(SyntaxError)
})

test('a task with a countdown comes again when it is due', () => {
  const eta = (ms: number) => new Date(Date.now() + ms).toISOString().replace('Z', '+00:00')
  expect(() => read({ headers: { ...headers, eta: eta(60_000) }, body })).toThrow(expect.objectContaining({ name: 'RetryLater' }))
  expect(read({ headers: { ...headers, eta: eta(-1) }, body })).toMatchObject({ id })
  // As the void of AMQP comes, and Python's None as text.
  for (const none of ['null', 'None', '']) expect(read({ headers: { ...headers, eta: none }, body })).toMatchObject({ id })
})

test('an eta without a zone is one in UTC, whatever the zone of this machine; one that is no time is an error', () => {
  onTestFinished(() => void vi.unstubAllEnvs())
  const naive = (ms: number) => new Date(Date.now() + ms).toISOString().replace('Z', '')
  for (const TZ of ['America/New_York', 'Asia/Tokyo']) {
    vi.stubEnv('TZ', TZ)
    expect(() => read({ headers: { ...headers, eta: naive(60_000) }, body })).toThrow(expect.objectContaining({ name: 'RetryLater' }))
    expect(read({ headers: { ...headers, eta: naive(-1) }, body })).toMatchObject({ id })
  }
  expect(() => read({ headers: { ...headers, eta: 'tomorrow' }, body })).toThrow('the eta of the task is no time: tomorrow')
})

test('an event is written as a task that any worker takes, and is read again as what was published', () => {
  const data = { args: [4, 9.5], kwargs: { currency: 'USD' } }
  const out = written(celeryTasks.out, { name: 'shop.charge', data })
  expect(out).toEqual({
    body: [[4, 9.5], { currency: 'USD' }, { callbacks: null, errbacks: null, chain: null, chord: null }],
    headers: {
      lang: 'py',
      task: 'shop.charge',
      id: placed.id,
      root_id: placed.id,
      origin: 'orders-api',
      'content-type': 'application/json',
    },
    properties: { contentType: 'application/json', contentEncoding: 'utf-8', correlationId: placed.id },
  })
  expect(read(received(out))).toEqual({ name: 'shop.charge', data, id: placed.id, source: 'orders-api' })
  expect(written(celeryTasks.out, { data: { args: [1] } }).body).toMatchObject([[1], {}, {}])
  for (const wrong of [[1], 7, { id: 1 }, { args: 1 }, { args: [], kwargs: [] }])
    expect(() => written(celeryTasks.out, { data: wrong })).toThrow('must be { args?, kwargs? }')
})
