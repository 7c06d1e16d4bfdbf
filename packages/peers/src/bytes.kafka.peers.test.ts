import { defineEvent, type Messaging } from '@corebus/core'
import { cloudEvents, cloudEventsBinary, debezium } from '@corebus/core/envelopes'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import * as spring from './adopt/spring.ts'
import { command, eventually, recorder, service } from './kit.ts'

const url = inject('brokers').kafka

describe.skipIf(!url)('documented bytes on Kafka', () => {
  const kcat = (topic: string, headers: readonly string[], body: string, key = '') =>
    command(
      'kcat',
      ['-b', url ?? '', '-P', '-Z', '-t', topic, ...(key ? ['-K', '|'] : []), ...headers.flatMap((one) => ['-H', one])],
      key ? `${key}|${body}` : body,
    )
  function corebus(): Messaging {
    const messaging = service('kafka', 'bytes')
    onTestFinished(() => messaging.close())
    return messaging
  }

  test('the headers of Spring Cloud Stream are read beside plain JSON', async () => {
    const messaging = corebus()
    const seen = recorder()
    spring.onKafka(messaging, seen.handler)
    await messaging.start()
    kcat('spring-writes', ['contentType=application/json', 'spring_json_header_types={"contentType":"java.lang.String"}'], '{"id":1}')
    await eventually(seen.messages).toEqual([{ id: 1 }])
    expect(seen.handled[0]?.context.headers.contentType).toBe('application/json')
  })

  test('CloudEvents, binary and structured, are events', async () => {
    const messaging = corebus()
    const [binary, structured] = [recorder(), recorder()]
    const Order = z.object({ id: z.number() })
    messaging.on(defineEvent('com.shop.placed', Order, { topic: 'ce-binary', in: cloudEvents.in }), {}, binary.handler)
    messaging.on(defineEvent('com.shop.placed', Order, { topic: 'ce-structured', in: cloudEvents.in }), {}, structured.handler)
    await messaging.start()
    kcat(
      'ce-binary',
      ['ce_specversion=1.0', 'ce_type=com.shop.placed', 'ce_id=e1', 'ce_source=/shop', 'content-type=application/json'],
      '{"id":1}',
    )
    kcat(
      'ce-structured',
      ['content-type=application/cloudevents+json'],
      JSON.stringify({ specversion: '1.0', type: 'com.shop.placed', id: 'e2', source: '/shop', data: { id: 2 } }),
    )
    await eventually(binary.messages).toMatchObject([{ name: 'com.shop.placed', data: { id: 1 }, source: '/shop' }])
    await eventually(structured.messages).toMatchObject([{ name: 'com.shop.placed', data: { id: 2 }, source: '/shop' }])
    expect([binary.handled[0]?.context.id, structured.handled[0]?.context.id]).toEqual(['/shop e1', '/shop e2'])
  })

  test('CloudEvents are written binary, with the data alone in the body', async () => {
    const messaging = corebus()
    const Placed = defineEvent('com.shop.placed', z.object({ id: z.number() }), { topic: 'ce-written', ...cloudEventsBinary })
    await messaging.publishEvent(Placed, { id: 3 })
    const [line = ''] = command('kcat', ['-b', url ?? '', '-C', '-t', 'ce-written', '-e', '-q', '-J'])
      .trim()
      .split('\n')
    const record = JSON.parse(line)
    expect(record.payload).toBe('{"id":3}')
    expect(record.headers).toEqual(expect.arrayContaining(['ce_type', 'com.shop.placed', 'ce_specversion', '1.0']))
  })

  test('changes of Debezium are events, and the tombstone behind a deletion is skipped', async () => {
    const messaging = corebus()
    const seen = recorder()
    const Row = z.object({ id: z.number() })
    const Change = z.object({ op: z.string(), before: Row.nullable(), after: Row.nullable() })
    messaging.on(defineEvent('public.orders', Change, { topic: 'db.public.orders', ...debezium }), {}, seen.handler)
    await messaging.start()
    const source = { name: 'db', schema: 'public', table: 'orders', ts_ms: 1_700_000_000_000 }
    kcat('db.public.orders', [], JSON.stringify({ before: { id: 1 }, after: null, source, op: 'd', ts_ms: 1_700_000_000_000 }), '1')
    kcat('db.public.orders', [], '', '1')
    kcat('db.public.orders', [], JSON.stringify({ before: null, after: { id: 1 }, source, op: 'c', ts_ms: 1_700_000_000_000 }), '1')
    await eventually(() => seen.handled.length).toBe(2)
    expect(seen.messages()).toMatchObject([{ data: { op: 'd', before: { id: 1 } } }, { data: { op: 'c', after: { id: 1 } } }])
  })

  test('bytes of a registry are decoded by a function that may wait', async () => {
    const messaging = corebus()
    const seen = recorder()
    const schemas = new Map([[7, Promise.resolve((bytes: Buffer) => ({ id: bytes.readInt32BE(0) }))]])
    messaging.handle(
      {
        topic: 'avro',
        schema: z.object({ id: z.number() }),
        decode: async (body) => (await schemas.get(Buffer.from(body).readInt32BE(1)))?.(Buffer.from(body.subarray(5))),
      },
      seen.handler,
    )
    await messaging.start()
    await messaging.getProducer().send('avro', Uint8Array.of(0, 0, 0, 0, 7, 0, 0, 0, 42))
    await eventually(seen.messages).toEqual([{ id: 42 }])
  })
})
