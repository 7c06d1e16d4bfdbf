import { expect, test } from 'vitest'
import { permanent, refusalOf } from './failure.ts'

function closedWith(code: number, text: string): Error {
  return Object.assign(new Error(`Channel closed by server: ${code} (X) with message "${text}"`), { code })
}

test('a missing exchange concerns what was published to it, and nothing else', () => {
  const refusal = refusalOf(closedWith(404, "NOT_FOUND - no exchange 'orders' in vhost '/'"))
  expect(refusal?.kind).toBe('missing')
  expect([refusal?.concerns('orders', 1), refusal?.concerns('others', 1)]).toEqual([true, false])
})

test('a message too large concerns those of that size', () => {
  const refusal = refusalOf(closedWith(406, 'PRECONDITION_FAILED - message size 200 is larger than configured max size 100'))
  expect(refusal?.kind).toBe('too large')
  expect([refusal?.concerns('a', 200), refusal?.concerns('a', 199)]).toEqual([true, false])
})

test("the broker's own words, without the client's around them", () => {
  const refusal = refusalOf(closedWith(403, "ACCESS_REFUSED - write access to exchange 'orders' in vhost '/' refused for user 'u'"))
  expect(refusal?.error).toMatchObject({
    code: 'ACCESS_REFUSED',
    message: "RabbitMQ: ACCESS_REFUSED - write access to exchange 'orders' in vhost '/' refused for user 'u'",
  })
  expect(refusal && permanent(refusal.error)).toBe(true)
})

test('a queue whose broker is just starting is not missing: it is waited for', () => {
  const text = "NOT_FOUND - home node 'rabbit@localhost' of durable queue 'orders' in vhost '/' is down or inaccessible"
  expect(refusalOf(closedWith(404, text))).toBeUndefined()
  expect(refusalOf(closedWith(404, "NOT_FOUND - no queue 'orders' in vhost '/'"))?.kind).toBe('missing')
})

test('nor is a stream refused that another client is just declaring', () => {
  const text = "PRECONDITION_FAILED - queue 'queue 'corebus:topology' in vhost '/'' does not have a replica on the local node"
  expect(refusalOf(closedWith(406, text))).toBeUndefined()
  expect(refusalOf(closedWith(406, "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q'"))?.kind).toBe('differs')
})

test('a lost connection is no refusal, and nothing is for good', () => {
  const lost = new Error('channel closed')
  expect(refusalOf(lost)).toBeUndefined()
  expect(refusalOf(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))).toBeUndefined()
  expect(permanent(lost)).toBe(false)
})
