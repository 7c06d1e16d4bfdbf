import { describe, expect, test } from 'vitest'
import type { EventRead } from '../wire/foreign-envelope.ts'
import { cloudEvents, cloudEventsBinary, cloudEventsBinaryAmqp } from './cloud-events.ts'
import { bytes, type Given, incoming, json, placed, received, written } from './fixtures/incoming.ts'

const read = (given: Given) => cloudEvents.in(incoming(given))
const attributes = {
  specversion: '1.0',
  type: 'com.example.someevent',
  source: '/mycontext',
  id: 'A234-1234-1234',
  time: '2018-04-05T17:31:00Z',
}
const event = { name: 'com.example.someevent', id: '/mycontext A234-1234-1234', timestamp: '2018-04-05T17:31:00Z', source: '/mycontext' }
const named = (prefix: string) => Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`${prefix}${name}`, value]))

describe('structured, as the JSON format of CloudEvents 1.0 has it', () => {
  const headers = { 'content-type': 'application/cloudevents+json; charset=UTF-8' }

  test.each<[string, object, unknown]>([
    [
      'data',
      { ...attributes, comexampleextension1: 'value', datacontenttype: 'application/json', data: { appinfoA: 'abc' } },
      { appinfoA: 'abc' },
    ],
    ['text', { ...attributes, datacontenttype: 'text/xml', data: '<much wow="xml"/>' }, '<much wow="xml"/>'],
    ['bytes', { ...attributes, datacontenttype: 'application/vnd.apache.thrift.binary', data_base64: 'AP8=' }, Uint8Array.of(0, 255)],
    ['JSON in base64', { ...attributes, datacontenttype: 'application/json', data_base64: btoa('{"a":1}') }, { a: 1 }],
    ['no data', attributes, null],
  ])('with %s', (_, body, data) => {
    expect(read({ headers, body: json(body) })).toEqual({ ...event, data })
  })

  test('with the content type in a property, or in none, and with an id that is one everywhere', () => {
    const body = json({ ...attributes, id: placed.id, data: 1 })
    for (const given of [{ body, properties: { contentType: 'application/cloudevents+json' } }, { body }])
      expect(read(given)).toMatchObject({ id: placed.id, data: 1 })
  })

  test('with a time in UTC, whatever the zone it was written in, and with none where it is no time', () => {
    const at = (time: unknown) => (read({ body: json({ ...attributes, time }) }) as EventRead).timestamp
    expect(at('2018-04-05T19:31:00+02:00')).toBe('2018-04-05T17:31:00.000Z')
    expect(['yesterday', '2018-04-05', '2018-13-05T00:00:00Z', 7, null].map(at)).toEqual(Array(5).fill(undefined))
  })

  test('with ids of two sources that are never the same', () => {
    const id = (source: string, id: string) => (read({ body: json({ ...attributes, source, id }) }) as EventRead).id
    expect(id('/a', 'b/c')).not.toBe(id('/a/b', 'c'))
  })

  test.each<[string, object, RegExp]>([
    ['!!!!', { data_base64: '!!!!' }, /data_base64 is no base64/],
    ['QUJDR', { data_base64: 'QUJDR' }, /data_base64 is no base64/],
    ['a number', { data_base64: 7 }, /data_base64 is no base64/],
  ])('with base64 that is none, %s, is an error and no event without data', (_, wrong, words) => {
    expect(() => read({ body: json({ ...attributes, ...wrong }) })).toThrow(words)
    expect(read({ body: json({ ...attributes, data_base64: btoa('ab').replace(/=/g, '') }) })).toMatchObject({ data: bytes('ab') })
  })

  test.each<[string, Uint8Array, RegExp]>([
    ['is no JSON', bytes('{'), /JSON/],
    ['is no object', json([1]), /the content type is application\/cloudevents\+json, and the body is no JSON object/],
    ['lacks its id', json({ ...attributes, id: undefined }), /has no id/],
    ['has a number as its id', json({ ...attributes, id: 7 }), /has no id/],
    ['is of another version', json({ ...attributes, specversion: '0.3' }), /of version 0\.3/],
  ])('what says that it is one and %s is an error: it is not skipped', (_, body, words) => {
    expect(() => read({ headers, body })).toThrow(words)
    expect(() => read({ properties: { contentType: 'application/cloudevents+json' }, body })).toThrow(words)
  })

  test('in a format that is not JSON is an error', () => {
    expect(() => read({ headers: { 'content-type': 'application/cloudevents+avro' }, body: bytes('x') })).toThrow(/only JSON is read/)
  })

  test('what lacks an attribute, is of another version, or no object, is not one of ours', () => {
    for (const without of ['type', 'source', 'id', 'specversion'])
      expect(read({ body: json({ ...attributes, [without]: undefined }) })).toBe(undefined)
    expect(read({ body: json({ ...attributes, specversion: '0.3' }) })).toBe(undefined)
    expect([read({ body: json([1]) }), read({ body: bytes('{') })]).toEqual([undefined, undefined])
    expect(() => read({ headers: { 'content-type': 'application/cloudevents-batch+json' }, body: json([attributes]) })).toThrow(/a batch/)
  })
})

describe('binary', () => {
  test.each(['ce_', 'cloudEvents:', 'cloudEvents_'])('with headers %s*', (prefix) => {
    const headers = named(prefix)
    expect(read({ headers: { ...headers, 'content-type': 'application/json' }, body: json({ a: 1 }) })).toEqual({
      ...event,
      data: { a: 1 },
    })
    expect(read({ headers, properties: { contentType: 'text/plain' }, body: bytes('hi') })).toEqual({ ...event, data: 'hi' })
    expect(read({ headers: { ...headers, 'content-type': 'application/avro' }, body: Uint8Array.of(0, 255) })).toEqual({
      ...event,
      data: Uint8Array.of(0, 255),
    })
    expect(() => read({ headers, body: bytes('{') })).toThrow(SyntaxError)
    const { [`${prefix}id`]: _, ...without } = headers
    expect(() => read({ headers: without, body: json(1) })).toThrow(/has no id/)
  })
})

test('what is written is what the specification has, and is read again as what was published', () => {
  const common = { specversion: '1.0', id: placed.id, source: 'orders-api', type: 'order.placed', time: placed.timestamp }
  expect(written(cloudEvents.out)).toEqual({
    body: { ...common, datacontenttype: 'application/json', data: placed.data },
    headers: { 'content-type': 'application/cloudevents+json; charset=UTF-8' },
    properties: { contentType: 'application/cloudevents+json; charset=UTF-8' },
  })
  const headers = (prefix: string) => ({
    [`${prefix}specversion`]: '1.0',
    [`${prefix}id`]: placed.id,
    [`${prefix}source`]: 'orders-api',
    [`${prefix}type`]: 'order.placed',
    [`${prefix}time`]: placed.timestamp,
    'content-type': 'application/json',
  })
  expect(written(cloudEventsBinary.out)).toMatchObject({ body: placed.data, headers: headers('ce_') })
  expect(written(cloudEventsBinaryAmqp.out)).toMatchObject({ body: placed.data, headers: headers('cloudEvents:') })
  for (const { out } of [cloudEvents, cloudEventsBinary, cloudEventsBinaryAmqp]) {
    const { name, data, id, timestamp, source } = placed
    expect(read(received(written(out)))).toEqual({ name, data, id, timestamp, source })
  }
})
