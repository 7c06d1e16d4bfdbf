import { describe, expect, test } from 'vitest'
import { fastStream, readFastStream } from './fast-stream.ts'
import { bytes, type Given, hex, incoming, json, placed, received, written } from './fixtures/incoming.ts'

// As BinaryMessageFormatV1.encode of FastStream 0.7 has written them.
const ORDER = hex(
  '8942494e0d0a1a0a000100000012000000720004000e636f7272656c6174696f6e5f69640006633066666565000c636f6e74656e742d7479706500106170706c69636174696f6e2f6a736f6e00056576656e74000c6f726465722e706c616365640006782d6a736f6e00077b2261223a317d7b226964223a20312c2022746f74616c223a20392e357d',
)
const TEXT = hex(
  '8942494e0d0a1a0a000100000012000000460002000e636f7272656c6174696f6e5f69640006633066666565000c636f6e74656e742d74797065000a746578742f706c61696e68c3a46c6c6f',
)
const BYTES = hex('8942494e0d0a1a0a0001000000120000002c0001000e636f7272656c6174696f6e5f6964000663306666656500ff')

const entry = (data: Uint8Array): Given => ({ fields: { __data__: data }, body: json({ __data__: 'text of it' }) })
const byHeader = fastStream({ header: 'event' })
const one = fastStream('order.placed')

describe('an entry of FastStream', () => {
  test('is the event that a header names, or the one that its topic is of; a brace in a header is no luck of anybody', () => {
    const event = { name: 'order.placed', data: { id: 1, total: 9.5 }, id: undefined }
    expect([byHeader.in(incoming(entry(ORDER))), one.in(incoming(entry(ORDER)))]).toEqual([event, event])
    expect(readFastStream(incoming(entry(ORDER)))?.headers).toMatchObject({ correlation_id: 'c0ffee', 'x-json': '{"a":1}' })
    expect(byHeader.in(incoming(entry(TEXT)))).toBe(undefined)
  })

  test('has JSON, text or bytes, as its content type says', () => {
    expect([TEXT, BYTES].map((data) => one.in(incoming(entry(data))))).toMatchObject([{ data: 'hällo' }, { data: Uint8Array.of(0, 255) }])
  })

  test('of another kind is not one of ours, and one that is cut off or of another version is an error', () => {
    const others = [bytes('{"data":"x","headers":{}}'), new Uint8Array(), ORDER.subarray(0, 7)]
    expect(others.map((data) => one.in(incoming(entry(data))))).toEqual(others.map(() => undefined))
    expect(one.in(incoming({ body: json({ id: 1 }) }))).toBe(undefined)
    for (const length of [8, 10, 20, 40]) expect(() => one.in(incoming(entry(ORDER.subarray(0, length))))).toThrow(RangeError)
    const version2 = ORDER.slice()
    version2[9] = 2
    expect(() => one.in(incoming(entry(version2)))).toThrow('in its format 2, and 1 is read')
    for (const dataAt of [0, 0x30, 0xffff_ffff]) {
      const elsewhere = Buffer.from(ORDER)
      elsewhere.writeUInt32BE(dataAt, 14)
      expect(() => one.in(incoming(entry(elsewhere)))).toThrow(RangeError)
    }
  })
})

describe('an event that is written for FastStream', () => {
  test('is the frame that FastStream writes itself', () => {
    const out = fastStream({ header: 'event' }).out
    const { fields, body } = written(out, { headers: { 'x-json': '{"a":1}' }, data: { id: 1 }, id: 'c0ffee' })
    const text = (value: string) => `${value.length.toString(16).padStart(4, '0')}${Buffer.from(value).toString('hex')}`
    const headers = [
      ['correlation_id', 'c0ffee'],
      ['message_id', 'c0ffee'],
      ['content-type', 'application/json'],
      ['x-json', '{"a":1}'],
      ['event', 'order.placed'],
    ].flatMap((pair) => pair.map(text))
    const start = (20 + headers.join('').length / 2).toString(16).padStart(8, '0')
    const frame = `8942494e0d0a1a0a000100000012${start}0005${headers.join('')}${Buffer.from('{"id":1}').toString('hex')}`
    expect(Buffer.from(fields?.__data__ as Uint8Array).toString('hex')).toBe(frame)
    expect(body).toEqual(fields?.__data__)
  })

  test('is read again as what was published, also where there are no fields', () => {
    const { name, data, id } = placed
    const out = written(byHeader.out)
    const { fields: _, ...elsewhere } = received(out)
    expect([byHeader.in(incoming(received(out))), byHeader.in(incoming(elsewhere))]).toEqual([
      { name, data, id },
      { name, data, id },
    ])
  })

  test('must be the one event of its topic where nothing tells them apart', () => {
    expect(() => written(one.out, { name: 'order.shipped' })).toThrow('every message of the topic is order.placed')
  })
})
