import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { onMemory } from '../../test/kit.ts'
import type { MessagingOptions } from '../config/messaging-options.ts'
import type { Message } from '../driver.ts'
import { defineEvent } from '../wire/event-type.ts'
import type { EnvelopeOut, Written } from '../wire/foreign-envelope.ts'

const isoDate = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
const Order = z.object({ id: z.number(), at: isoDate })
const at = new Date('2026-03-01T12:00:00.000Z')
const order = { id: 1, at }

function publishing(options: MessagingOptions = {}) {
  const given: Message[] = []
  const messaging = onMemory(options)
  messaging.use({
    publish: async (message, next) => {
      given.push(message)
      await next(message)
    },
  })
  return { messaging, given }
}
const textOf = (message: Message | undefined) => new TextDecoder().decode(message?.body)

describe('an event that is written as others have it', () => {
  test('is handed to its envelope as it would travel, and what that says is published', async () => {
    const asked: unknown[] = []
    const out: EnvelopeOut = (event) => {
      asked.push(event)
      const { name, data } = event
      return {
        body: { pattern: name, data },
        headers: { kind: 'packet', x: '1' },
        properties: { type: name },
        fields: { f: 'v' },
        key: 'theirs',
      }
    }
    const { messaging, given } = publishing()
    const Placed = defineEvent('order.placed', Order, { topic: 'shop', key: 'id', in: () => undefined, out })
    await messaging.publishEvent(Placed, order, { id: 'm1', headers: { x: '2' }, properties: { appId: 'app' } })
    expect(asked).toEqual([
      {
        name: 'order.placed',
        data: { id: 1, at: at.toISOString() },
        id: 'm1',
        timestamp: expect.stringMatching(/Z$/),
        source: 'test',
        key: '1',
        headers: { x: '2' },
      },
    ])
    expect(given).toMatchObject([
      {
        id: 'm1',
        topic: 'shop',
        key: 'theirs',
        event: 'order.placed',
        headers: { kind: 'packet', x: '2', 'content-type': 'application/json', 'corebus-correlation': 'm1' },
        properties: { type: 'order.placed', appId: 'app' },
        fields: { f: 'v' },
      },
    ])
    expect(textOf(given[0])).toBe(`{"pattern":"order.placed","data":{"id":1,"at":"${at.toISOString()}"}}`)
  })

  test.each<[string, Written, string, string | undefined]>([
    ['bytes go as they are', { body: new TextEncoder().encode('<x/>') }, '<x/>', undefined],
    ['text goes as it is', { body: '<x/>', headers: { 'content-type': 'text/xml' } }, '<x/>', 'text/xml'],
    ['anything else goes as JSON', { body: [1] }, '[1]', 'application/json'],
  ])('%s', async (_, written, body, type) => {
    const { messaging, given } = publishing({ in: () => undefined, out: () => written })
    await messaging.publishEvent('order.placed', {}, { topic: 'shop' })
    expect([textOf(given[0]), given[0]?.headers['content-type']]).toEqual([body, type])
  })

  test('of the event, else of the topic, else of the app', async () => {
    const body =
      (body: string): EnvelopeOut =>
      () => ({ body })
    const read = () => undefined
    const { messaging, given } = publishing({
      in: read,
      out: body('app'),
      topology: { topics: { shop: { in: read, out: body('topic') } } },
    })
    const Own = defineEvent('own', z.object({}), { topic: 'else', in: read, out: body('event') })
    await messaging.publishEvent(Own, {})
    await messaging.publishEvent('x', {}, { topic: 'shop' })
    await messaging.publishEvent('x', {}, { topic: 'other' })
    expect(given.map(textOf)).toEqual(['event', 'topic', 'app'])
    await expect(messaging.publishEvent(Own, {}, { topic: 'shop' })).rejects.toMatchObject({
      code: 'ENVELOPE',
      message: expect.stringContaining('names another envelope (in, out) than topology.topics["shop"]'),
    })
  })

  test('travels on its topic in the envelope of the others, or is refused: who reads one of them could not read the other', async () => {
    const out: EnvelopeOut = () => ({ body: 'theirs' })
    const { messaging, given } = publishing()
    const Placed = defineEvent('order.placed', z.object({}), { topic: 'shop', in: () => undefined, out })
    await messaging.publishEvent('order.paid', {}, { topic: 'elsewhere' })
    await messaging.publishEvent(Placed, {})
    const words =
      'event order.paid would travel on shop as Corebus writes events, and not in the envelope of event order.placed, which was published there'
    await expect(messaging.publishEvent('order.paid', {}, { topic: 'shop' })).rejects.toMatchObject({
      code: 'ENVELOPE',
      message: expect.stringContaining(words),
    })
    const Sent = defineEvent('order.sent', z.object({}), { topic: 'shop', out: () => ({ body: 'third' }) })
    expect(() => messaging.emit(Sent, {})).toThrow(expect.objectContaining({ code: 'ENVELOPE' }))
    await messaging.publishEvent(defineEvent('order.kept', z.object({}), { topic: 'shop', out }), {})
    await messaging.publishEvent('order.paid', {}, { topic: 'elsewhere' })
    expect(given).toHaveLength(4)
  })

  test('that is only read cannot be published, whatever the app would write', async () => {
    const { messaging } = publishing({ in: () => undefined, out: () => ({ body: 'app' }) })
    const Read = defineEvent('order.placed', Order, { topic: 'shop', in: () => undefined })
    await expect(messaging.publishEvent(Read, order)).rejects.toMatchObject({
      code: 'NO_OUT',
      message: expect.stringContaining('event order.placed cannot be published to shop: its envelope has in and no out'),
    })
    expect(() => messaging.emit(Read, order)).toThrow(expect.objectContaining({ code: 'NO_OUT' }))
    await messaging.getProducer().send('shop', { as: 'it is' })
  })

  test.each<[string, () => unknown, RegExp]>([
    ['throws', () => JSON.parse('{'), /the envelope \(out\) of event x failed: Expected property name/],
    ['returns a promise', async () => ({ body: 1 }), /the envelope \(out\) of event x returned a promise/],
    ['returns nothing', () => undefined, /must return \{ body, headers\?/],
    ['returns no body', () => ({ headers: {} }), /must return \{ body, headers\?/],
    ['returns a text as its headers', () => ({ body: 1, headers: 'kind' }), /headers must be an object of strings/],
    ['returns a misspelt name', () => ({ body: 1, header: {} }), /header is not an option\. Did you mean headers/],
    ['returns a number as a property', () => ({ body: 1, properties: { type: 7 } }), /properties\.type must be a string/],
    ['returns no property of AMQP', () => ({ body: 1, properties: { mesageId: '7' } }), /properties\.mesageId is not an option/],
    ['returns an object as its key', () => ({ body: 1, key: { id: 1 } }), /key must be a string or a number/],
  ])('by an envelope that %s fails where it is published', async (_, out, words) => {
    const { messaging } = publishing({ in: () => undefined, out: out as never })
    await expect(messaging.publishEvent('x', {}, { topic: 't' })).rejects.toMatchObject({
      code: 'ENVELOPE',
      message: expect.stringMatching(words),
    })
  })

  test('has data: undefined would be left out of what is written, and skipped by who reads it', async () => {
    const { messaging, given } = publishing({ in: () => undefined, out: ({ name, data }) => ({ body: { pattern: name, data } }) })
    await expect(messaging.publishEvent('x', undefined, { topic: 't' })).rejects.toMatchObject({
      code: 'PAYLOAD_NOT_JSON',
      message: expect.stringContaining('the data of event x cannot be written: it is undefined'),
    })
    await messaging.publishEvent('x', null, { topic: 't' })
    expect(given.map(textOf)).toEqual(['{"pattern":"x","data":null}'])
  })

  test('may not set what is ours, nor what JSON would change', async () => {
    const reserved = publishing({ in: () => undefined, out: () => ({ body: 1, headers: { 'corebus-id': 'x' } }) })
    await expect(reserved.messaging.publishEvent('x', {}, { topic: 't' })).rejects.toMatchObject({ code: 'HEADER_RESERVED' })
    const changed = publishing({ in: () => undefined, out: () => ({ body: { n: Number.NaN } }) })
    await expect(changed.messaging.publishEvent('x', {}, { topic: 't' })).rejects.toMatchObject({ code: 'PAYLOAD_NOT_JSON' })
  })
})
