import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import * as mini from 'zod/mini'
import { defineEvent, type Event, type EventOf, type EventType } from './event-type.ts'

const isoDate = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })

const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.email(), at: isoDate }), {
  topic: 'user-events',
  key: 'id',
})
type UserCreated = EventOf<typeof UserCreated>

describe('defineEvent', () => {
  test('carries name, topic, key and both ways through its schema', () => {
    expect(UserCreated).toMatchObject({ name: 'user.created', topic: 'user-events', key: 'id' })
    const at = new Date('2026-02-01T12:00:00.000Z')
    const wire = { id: 1, email: 'a@b.io', at: '2026-02-01T12:00:00.000Z' }
    expect(UserCreated.encode({ id: 1, email: 'a@b.io', at, password: 'secret' })).toEqual(wire)
    expect(UserCreated.decode(wire)).toEqual({ id: 1, email: 'a@b.io', at })
  })

  test('leaves topic and key out when they are not given', () => {
    const Plain = defineEvent('plain', z.object({ id: z.string() }))
    expect(Object.keys(Plain).sort()).toEqual(['decode', 'encode', 'name'])
  })

  test('gives the event and its definition one name', () => {
    expectTypeOf<UserCreated>().toEqualTypeOf<Event<'user.created', { id: number; email: string; at: Date }>>()
    expectTypeOf(UserCreated).toExtend<EventType<string, unknown>>()
    expectTypeOf(UserCreated.decode).returns.toEqualTypeOf<{ id: number; email: string; at: Date }>()
  })

  test('infers from zod/mini and from Standard Schema too', () => {
    const Mini = defineEvent('mini', mini.object({ id: mini.number() }), { key: 'id' })
    expectTypeOf<EventOf<typeof Mini>>().toEqualTypeOf<Event<'mini', { id: number }>>()
    const standard = {
      '~standard': { version: 1 as const, vendor: 'x', validate: (value: unknown) => ({ value: value as { n: string } }) },
    }
    const Standard = defineEvent('standard', standard, { key: 'n' })
    expectTypeOf<EventOf<typeof Standard>>().toEqualTypeOf<Event<'standard', { n: string }>>()
  })

  test('refuses a key that is no field of the data, when compiled', () => {
    // @ts-expect-error there is no such field
    defineEvent('user.created', z.object({ id: z.number() }), { key: 'uid' })
  })

  test.each([
    ['an empty name', () => defineEvent('', z.string()), 'needs a name'],
    ['a name that is no string', () => defineEvent(undefined as unknown as string, z.string()), 'needs a name'],
    ['no schema', () => defineEvent('x', undefined as unknown as z.ZodType), 'needs a schema'],
  ])('refuses %s', (_, define, message) => {
    expect(define).toThrow(expect.objectContaining({ code: 'EVENT_TYPE', message: expect.stringContaining(message) }))
  })

  test.each<[string, () => unknown, string]>([
    ['an empty topic', () => defineEvent('x', z.string(), { topic: '' }), 'topic must be a string that is not empty'],
    ['an empty key', () => defineEvent('x', z.object({ '': z.string() }), { key: '' }), 'key must be the name of a field of its data'],
    ['an option nobody has', () => defineEvent('x', z.string(), { topc: 't' } as never), 'topc is not an option. Did you mean topic?'],
  ])('refuses %s, as every option', (_, define, message) => {
    expect(define).toThrow(expect.objectContaining({ code: 'OPTION', message: expect.stringContaining(`event x: ${message}`) }))
  })

  test('fails at once for what cannot travel, naming event and field', () => {
    expect(() => defineEvent('order.paid', z.object({ at: z.date() }))).toThrow(
      expect.objectContaining({
        code: 'SCHEMA_NOT_JSON',
        message: expect.stringMatching(/^event order\.paid cannot travel as JSON:\n {2}at: /),
      }),
    )
  })
})
