import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { onMemory } from '../../test/kit.ts'
import { CorebusError } from '../errors.ts'
import { ownerOf } from '../messaging.ts'
import { createScope, runInScope } from '../scope/scope.ts'
import { decodeJson } from '../wire/envelope.ts'
import { defineEvent } from '../wire/event-type.ts'
import { eventMessage, type OutgoingDefaults, plainMessage, sizeOf } from './message.ts'

const DEFAULTS: OutgoingDefaults = { service: 'users-api', maxBytes: 1_000, now: () => Date.UTC(2026, 1, 1, 12) }
const Created = defineEvent('user.created', z.object({ id: z.number(), email: z.string() }), { topic: 'user-events', key: 'id' })
const Nowhere = defineEvent('nowhere', z.object({}))

const text = (body: Uint8Array) => new TextDecoder().decode(body)
const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('an event', () => {
  test('is exactly name, data, timestamp and source, without what its schema does not know', () => {
    const { body, id, ...message } = eventMessage(Created, { id: 7, email: 'a@b.io', passwordHash: 'x' }, {}, DEFAULTS)
    expect(text(body)).toBe(
      '{"name":"user.created","data":{"id":7,"email":"a@b.io"},"timestamp":"2026-02-01T12:00:00.000Z","source":"users-api"}',
    )
    expect(message).toEqual({
      topic: 'user-events',
      event: 'user.created',
      key: '7',
      headers: { 'content-type': 'application/json', 'corebus-correlation': id },
    })
    expect(id).toMatch(UUID7)
  })

  test.each<[string, Parameters<typeof eventMessage>[0], object, Partial<OutgoingDefaults>, string]>([
    ['the call’s', Created, { topic: 'elsewhere' }, { defaultTopic: 'd' }, 'elsewhere'],
    ['its type’s', Created, {}, { defaultTopic: 'd' }, 'user-events'],
    ['the default one', Nowhere, {}, { defaultTopic: 'd' }, 'd'],
    ['the default one, by name', 'x', {}, { defaultTopic: 'd' }, 'd'],
  ])('its topic is %s', (_, type, options, defaults, topic) => {
    expect(eventMessage(type, { id: 1, email: '' }, options, { ...DEFAULTS, ...defaults }).topic).toBe(topic)
  })

  test('the key of the call comes before the type’s, and 0 and the empty string are keys', () => {
    const keyOf = (data: object, options: object) => eventMessage(Created, { email: '', ...data }, options, DEFAULTS).key
    expect([keyOf({ id: 0 }, {}), keyOf({ id: 1 }, { key: 'k' }), keyOf({ id: 1 }, { key: '' })]).toEqual(['0', 'k', ''])
  })

  test('by name it has the fields it was given, null among them', () => {
    expect(decodeJson(eventMessage('x', null, { topic: 't' }, DEFAULTS).body)).toMatchObject({ name: 'x', data: null })
  })
})

describe('a message', () => {
  test('goes as JSON', () => {
    const message = plainMessage('t', { a: 'ü' }, { key: 5, headers: { tenant: 'x' }, id: 'mine', correlationId: 'c' }, DEFAULTS)
    expect(message).toEqual({
      id: 'mine',
      topic: 't',
      key: '5',
      headers: { tenant: 'x', 'content-type': 'application/json', 'corebus-correlation': 'c' },
      body: new TextEncoder().encode('{"a":"ü"}'),
    })
  })

  test('bytes go as they are, and say nothing of what they are', () => {
    const bytes = new Uint8Array([0, 255])
    const { body, headers, id } = plainMessage('t', bytes, {}, DEFAULTS)
    expect([body, headers]).toEqual([bytes, { 'corebus-correlation': id }])
  })

  test('null is a tombstone for its key', () => {
    expect(plainMessage('t', null, { key: 'k' }, DEFAULTS)).toMatchObject({ key: 'k', tombstone: true, body: new Uint8Array() })
  })

  test('a content type of its own is left alone, however it is written', () => {
    expect(Object.keys(plainMessage('t', {}, { headers: { 'Content-Type': 'application/cloudevents+json' } }, DEFAULTS).headers)).toEqual([
      'Content-Type',
      'corebus-correlation',
    ])
  })

  test('carries correlation and causation of the scope it was made in, unless the call says otherwise', () => {
    const scope = createScope({ correlationId: 'c', causationId: 'm0', owner: ownerOf(onMemory()) })
    const headers = runInScope(scope, () =>
      [plainMessage('t', 1, {}, DEFAULTS), plainMessage('t', 1, { correlationId: 'mine' }, DEFAULTS)].map((message) => message.headers),
    )
    expect(headers).toMatchObject([
      { 'corebus-correlation': 'c', 'corebus-causation': 'm0' },
      { 'corebus-correlation': 'mine', 'corebus-causation': 'm0' },
    ])
  })
})

describe('what cannot leave is an error that says why', () => {
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  const event =
    (type: Parameters<typeof eventMessage>[0], data: unknown, options = {}) =>
    () =>
      eventMessage(type, data, options, DEFAULTS)
  const plain =
    (message: unknown, options = {}, topic = 't') =>
    () =>
      plainMessage(topic, message, options, DEFAULTS)

  test.each<[string, () => unknown, string, RegExp]>([
    ['no topic', event('x', {}), 'TOPIC_MISSING', /event x has no topic/],
    ['data that fails its schema', event(Created, { id: 'x', email: 1 }), 'PAYLOAD_INVALID', /^event user\.created: .*id: .*email: /],
    ['a key field that is no key', event('x', {}, { topic: 't', key: Number.NaN }), 'KEY_MISSING', /its key is NaN/],
    [
      'an event with a BigInt',
      event('x', { n: 1n }, { topic: 't' }),
      'PAYLOAD_NOT_JSON',
      /the data of event x cannot be written as JSON: Do not know how to serialize a BigInt/,
    ],
    [
      'an event with a cycle',
      event('x', cycle, { topic: 't' }),
      'PAYLOAD_NOT_JSON',
      /the data of event x cannot be written as JSON: Converting circular structure/,
    ],
    [
      'an event without data',
      event('x', undefined, { topic: 't' }),
      'PAYLOAD_NOT_JSON',
      /the data of event x cannot be written as JSON: it is undefined/,
    ],
    ['a function', plain(() => 1), 'PAYLOAD_NOT_JSON', /the message for t cannot be written as JSON: it is function/],
    ['nothing', plain(undefined), 'PAYLOAD_NOT_JSON', /it is undefined/],
    ['a BigInt', plain({ n: 1n }), 'PAYLOAD_NOT_JSON', /BigInt/],
    ['a Map', plain({ m: new Map() }), 'PAYLOAD_NOT_JSON', /the message for t would be changed by JSON: m: a Map becomes \{\}/],
    [
      'NaN in an event by name',
      event('x', { n: [Number.NaN] }, { topic: 't' }),
      'PAYLOAD_NOT_JSON',
      /the data of event x would be changed by JSON: n\[0\]: NaN/,
    ],
    ['a tombstone without a key', plain(null), 'KEY_MISSING', /a tombstone for t needs a key/],
    [
      'a reserved header',
      plain(1, { headers: { 'Corebus-Attempt': '9' } }),
      'HEADER_RESERVED',
      /header "Corebus-Attempt" for t: names beginning with corebus-/,
    ],
    ['a header that is no string', plain(1, { headers: { n: 1 } }), 'HEADER', /header "n" for t/],
    ['a topic that no broker takes', plain(1, {}, 'a/b'), 'NAME', /topic "a\/b" cannot be used on every broker/],
    ['a topic without a name', plain(1, {}, ''), 'NAME', /topic ""/],
    [
      'a body over the limit',
      plain('x'.repeat(999)),
      'TOO_LARGE',
      /a message for t has 1\d{3} bytes, at most 1000 are allowed \(maxBytes\)/,
    ],
    ['headers over the limit', plain(1, { headers: { a: 'x'.repeat(1_000) } }), 'TOO_LARGE', /a message for t has \d+ bytes/],
    ['an id over its limit', plain(1, { id: 'x'.repeat(1_001) }), 'TOO_LARGE', /a message for t: its id has 1001 characters/],
    ['a correlation id over its limit', plain(1, { correlationId: 'x'.repeat(1_001) }), 'TOO_LARGE', /its correlationId has 1001/],
    ['an event over the limit', event('x', 'y'.repeat(1_000), { topic: 't' }), 'TOO_LARGE', /event x for t has/],
  ])('%s', (_, make, code, message) => {
    expect(make).toThrow(CorebusError)
    expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }))
  })

  test('a key field that the data lacks', () => {
    const ByEmail = defineEvent('x', z.object({ email: z.string().optional() }), { topic: 't', key: 'email' })
    expect(event(ByEmail, {})).toThrow(/event x: its key field "email" must be a string or a number in the data, and is missing/)
  })

  test('exactly maxBytes is fine: body, key and headers in UTF-8', () => {
    const message = plainMessage('t', new Uint8Array(900), { key: 'ü', headers: { a: '€' }, correlationId: 'c' }, DEFAULTS)
    expect(sizeOf(message)).toBe(900 + 2 + 1 + 3 + 'corebus-correlation'.length + 1)
    const room = 1_000 - sizeOf(message)
    expect(() =>
      plainMessage('t', new Uint8Array(900 + room), { key: 'ü', headers: { a: '€' }, correlationId: 'c' }, DEFAULTS),
    ).not.toThrow()
    expect(() => plainMessage('t', new Uint8Array(901 + room), { key: 'ü', headers: { a: '€' }, correlationId: 'c' }, DEFAULTS)).toThrow(
      /1001 bytes/,
    )
  })
})
