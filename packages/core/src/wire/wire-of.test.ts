import { runInNewContext } from 'node:vm'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import * as mini from 'zod/mini'
import { z as z3 } from 'zod-3'
import { CorebusError } from '../errors.ts'
import { codec } from './codec.ts'
import { defineEvent } from './event-type.ts'
import type { Schema } from './schema.ts'
import { wireOf } from './wire-of.ts'

const isoDate = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })

function failure(run: () => unknown): CorebusError {
  try {
    run()
  } catch (error) {
    if (error instanceof CorebusError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** A library that is not zod: checks one field and strips the rest. */
function standard<Out>(validate: Schema<Out>['~standard']['validate']): Schema<Out> {
  return { '~standard': { version: 1, vendor: 'ours', validate } }
}
const named = standard<{ name: string }>((value) => {
  const name = (value as { name?: unknown } | null)?.name
  return typeof name === 'string' ? { value: { name } } : { issues: [{ message: 'must be text', path: [{ key: 'user' }, 'name'] }] }
})

describe('a zod schema', () => {
  test('strips what it does not know, in both directions', () => {
    const wire = wireOf(z.object({ id: z.number(), address: z.object({ city: z.string() }) }))
    const extra = { id: 1, passwordHash: 'x', address: { city: 'Oslo', door: 4 } }
    expect(wire.encode(extra)).toEqual({ id: 1, address: { city: 'Oslo' } })
    expect(wire.decode(extra)).toEqual({ id: 1, address: { city: 'Oslo' } })
  })

  test('takes a codec to the wire and back', () => {
    const wire = wireOf(z.object({ at: isoDate }))
    const at = new Date('2026-02-01T12:00:00.000Z')
    const encoded = wire.encode({ at })
    expect(encoded).toEqual({ at: '2026-02-01T12:00:00.000Z' })
    expect(wire.decode(JSON.parse(JSON.stringify(encoded)))).toEqual({ at })
  })

  test('refuses on the code side what only fits the wire side', () => {
    expect(failure(() => wireOf(z.object({ at: isoDate })).encode({ at: '2026-02-01T12:00:00.000Z' })).code).toBe('PAYLOAD_INVALID')
  })

  test('of zod/mini works the same', () => {
    const wire = wireOf(mini.object({ id: mini.number() }))
    expect(wire.encode({ id: 1, more: 2 })).toEqual({ id: 1 })
    expect(failure(() => wire.decode({ id: 'one' })).message).toMatch(/ id: /)
  })

  test('lists what does not fit by path, and keeps the cause', () => {
    const wire = wireOf(z.object({ id: z.number(), user: z.object({ emails: z.array(z.email()) }) }))
    const error = failure(() => wire.decode({ user: { emails: ['a@b.io', 'nope'] } }))
    expect(error.code).toBe('PAYLOAD_INVALID')
    expect(error.message).toContain('id: Invalid input: expected number, received undefined')
    expect(error.message).toContain('user.emails.1: Invalid email address')
    expect(error.cause).toBeInstanceOf(Error)
  })

  test('lists at most five', () => {
    const fields = Object.fromEntries([...'abcdefgh'].map((name) => [name, z.string()]))
    const { message } = failure(() => wireOf(z.object(fields)).encode({}))
    expect(message.match(/expected string/g)).toHaveLength(5)
    expect(message).toMatch(/; and 3 more$/)
  })

  test('names no path when the payload itself is wrong', () => {
    expect(failure(() => wireOf(z.string()).decode(1)).message).toBe(
      'the payload does not fit its schema: Invalid input: expected string, received number',
    )
  })

  test('that validates asynchronously is refused in both directions', () => {
    const wire = wireOf(z.object({ id: z.string().refine(async () => true) }))
    expect(failure(() => wire.encode({ id: 'a' })).code).toBe('SCHEMA_ASYNC')
    expect(failure(() => wire.decode({ id: 'a' })).code).toBe('SCHEMA_ASYNC')
  })

  test('whose codec throws makes the payload invalid', () => {
    const url = z.codec(z.string(), z.instanceof(URL), { decode: (text) => new URL(text), encode: String })
    const error = failure(() => wireOf(url).decode('not a url'))
    expect(error.code).toBe('PAYLOAD_INVALID')
    expect(error.cause).toBeInstanceOf(TypeError)
  })
})

describe('a schema of another library', () => {
  test('validates on both sides and sends what it returns', () => {
    const wire = wireOf(named)
    expect(wire.encode({ name: 'Ada', extra: 1 })).toEqual({ name: 'Ada' })
    expect(wire.decode({ name: 'Ada', extra: 1 })).toEqual({ name: 'Ada' })
  })

  test('lists its issues by path', () => {
    const error = failure(() => wireOf(named).decode({}))
    expect(error.code).toBe('PAYLOAD_INVALID')
    expect(error.message).toContain('user.name: must be text')
    expect(error.cause).toMatchObject({ issues: [{ message: 'must be text' }] })
  })

  test('that answers with a promise is refused, and the promise may reject unheard', async () => {
    const wire = wireOf(standard(() => Promise.reject(new Error('later'))))
    expect(failure(() => wire.decode({})).code).toBe('SCHEMA_ASYNC')
    await new Promise((resolve) => setImmediate(resolve))
  })

  test('that throws makes the payload invalid', () => {
    const wire = wireOf(
      standard(() => {
        throw new Error('broken')
      }),
    )
    expect(failure(() => wire.encode({})).message).toContain('broken')
  })

  test('may be a function, as in arktype', () => {
    const callable = Object.assign(() => undefined, named)
    expect(wireOf(callable).decode({ name: 'Ada' })).toEqual({ name: 'Ada' })
  })
})

/** How the error of a publish ends, of the event's schema and data; undefined when it can be published. */
function publishing(schema: Schema<never>, data: unknown): string | undefined {
  try {
    const { encode, decode } = wireOf(schema)
    const wire = JSON.parse(JSON.stringify(encode(data)))
    // What could be published can be handled.
    expect(decode(wire)).toEqual(decode(wire))
    return undefined
  } catch (error) {
    if (error instanceof CorebusError) return `${error.code} ${error.message}`
    throw error
  }
}

describe.each<[string, { plain: unknown; date: unknown; map: unknown; parses: unknown; trims: unknown; defaults: unknown }]>([
  [
    'valibot',
    {
      plain: v.object({ id: v.number() }),
      date: v.object({ at: v.date() }),
      map: v.object({ m: v.map(v.string(), v.number()) }),
      parses: v.object({ at: v.pipe(v.string(), v.isoTimestamp(), v.toDate()) }),
      trims: v.object({ name: v.pipe(v.string(), v.trim()) }),
      defaults: v.object({ n: v.optional(v.number(), 3) }),
    },
  ],
  [
    'arktype',
    {
      plain: type({ id: 'number' }),
      date: type({ at: 'Date' }),
      map: type({ m: 'Map' }),
      parses: type({ at: 'string.date.parse' }),
      trims: type({ name: 'string.trim' }),
      defaults: type({ n: 'number = 3' }),
    },
  ],
  [
    'zod 3',
    {
      plain: z3.object({ id: z3.number() }),
      date: z3.object({ at: z3.date() }),
      map: z3.object({ m: z3.map(z3.string(), z3.number()) }),
      parses: z3.object({ at: z3.string().transform((text) => new Date(text)) }),
      trims: z3.object({ name: z3.string().trim() }),
      defaults: z3.object({ n: z3.number().default(3) }),
    },
  ],
])('a schema of %s', (_, { plain, date, map, parses, trims, defaults }) => {
  const published = (schema: unknown, data: unknown) => publishing(schema as Schema<never>, data)

  test('says which field does not fit', () => {
    expect(published(plain, { id: 'one' })).toMatch(/^PAYLOAD_INVALID the payload does not fit its schema: .*id/)
    expect(published(plain, { id: 1 })).toBeUndefined()
  })
  test('refuses what JSON would change when it is published, and not at each consumer', () => {
    expect(published(date, { at: new Date(0) })).toMatch(/^PAYLOAD_NOT_JSON .*at: a Date becomes what its toJSON writes/)
    expect(published(map, { m: new Map([['a', 1]]) })).toMatch(/^PAYLOAD_NOT_JSON .*m: a Map becomes \{\}/)
  })
  test('that transforms is refused, and the error shows the way', () => {
    const at = '2026-02-01T12:00:00.000Z'
    expect(published(parses, { at: new Date(at) })).toMatch(/^PAYLOAD_INVALID .*codec\(schema, \{ decode, encode \}\)/)
    expect(published(parses, { at })).toMatch(/^PAYLOAD_NOT_JSON .*at: a Date/)
  })
  test('may trim and give defaults, which are the same when they are made again', () => {
    expect(published(trims, { name: ' Ada ' })).toBeUndefined()
    expect(published(defaults, {})).toBeUndefined()
  })
})

test.each([
  ['a text into a number', v.object({ n: v.pipe(v.string(), v.transform(Number)) }), { n: '7' }],
  [
    'a number into another',
    v.pipe(
      v.number(),
      v.transform((n: number) => n * 100),
    ),
    7,
  ],
])('a schema that turns %s would do it again at each consumer: it is refused when it is published', (_, schema, data) => {
  expect(publishing(schema as never, data)).toMatch(/^SCHEMA_NOT_JSON its schema transforms/)
})

test('arktype describes both ways, so that one that parses is refused as soon as it is defined', () => {
  expect(failure(() => defineEvent('x', type({ at: 'string.date.parse', n: ['string.numeric.parse', '[]'] })))).toMatchObject({
    code: 'SCHEMA_NOT_JSON',
    message: expect.stringMatching(
      /at: it goes in as string and comes out as something else.*\n.*n\[\]: it goes in as string and comes out as number/,
    ),
  })
  expect(() => defineEvent('x', type({ name: 'string.trim', n: 'number = 3', 'at?': 'Date' }))).not.toThrow()
})

describe('a codec', () => {
  const Shipped = defineEvent(
    'shipped',
    codec(v.object({ at: v.pipe(v.string(), v.isoTimestamp()) }), {
      decode: ({ at }) => ({ at: new Date(at) }),
      encode: ({ at }: { at: Date }) => ({ at: at.toISOString() }),
    }),
  )
  const at = new Date('2026-02-01T12:00:00.000Z')

  test('takes what is published to the wire and back', () => {
    expect(Shipped.encode({ at })).toEqual({ at: at.toISOString() })
    expect(Shipped.decode({ at: at.toISOString() })).toEqual({ at })
  })
  test('checks what travels, both ways, and whatever its functions throw is a payload that does not fit', () => {
    expect(failure(() => Shipped.decode({ at: 'yesterday' }))).toMatchObject({
      code: 'PAYLOAD_INVALID',
      message: expect.stringContaining('at: '),
    })
    expect(failure(() => Shipped.encode({ at: new Date(Number.NaN) })).message).toBe("the codec's encode failed: Invalid time value")
    expect(failure(() => Shipped.encode({}))).toMatchObject({ code: 'PAYLOAD_INVALID' })
  })
  test('of a zod schema that cannot travel is refused when it is defined', () => {
    const dates = codec(z.object({ at: z.date() }), { decode: (data) => data, encode: (data: { at: Date }) => data })
    expect(failure(() => defineEvent('x', dates)).code).toBe('SCHEMA_NOT_JSON')
  })
  test('without both functions says so', () => {
    expect(failure(() => codec(z.string(), { decode: String } as never)).message).toContain('codec(schema, { decode, encode })')
    expect(failure(() => codec(undefined as never, null as never)).code).toBe('EVENT_TYPE')
  })
})

test('where a schema takes anything, what JSON would change is refused too', () => {
  const Loose = defineEvent('loose', z.object({ id: z.number(), extra: z.unknown() }))
  expect(failure(() => Loose.encode({ id: 1, extra: [new Set()] })).message).toContain('extra[0]: a Set becomes {}')
  expect(Loose.encode({ id: 1, extra: { at: new Date(0) } })).toEqual({ id: 1, extra: { at: new Date(0) } })
  const More = defineEvent('more', z.looseObject({ id: z.number() }))
  expect(failure(() => More.encode({ id: 1, other: Number.NaN })).message).toContain('other: NaN becomes null')
})

test.each<[string, unknown]>([
  // biome-ignore lint/suspicious/noThenProperty: that is the case
  ['a foreign thenable', { then: () => undefined }],
  ['a promise of another realm', runInNewContext('Promise.resolve({ value: 1 })')],
])('%s as the answer is refused as asynchronous', (_, answer) => {
  expect(failure(() => wireOf(standard(() => answer as never)).decode(1)).code).toBe('SCHEMA_ASYNC')
})

test('what is no result at all is said', () => {
  expect(failure(() => wireOf(standard(() => undefined as never)).decode(1))).toMatchObject({
    code: 'PAYLOAD_INVALID',
    message: 'the schema answered undefined, and no result of Standard Schema',
  })
})

test('issues are read by their interface: an array of another class, with getters, is not copied', () => {
  class Issues extends Array<{ message: string; path?: PropertyKey[] }> {
    get message(): string {
      throw new Error('not to be read')
    }
  }
  const issues = Issues.from([{ message: 'is wrong', path: ['a'] }]) as never
  expect(failure(() => wireOf(standard(() => ({ issues }))).decode(1)).message).toContain('a: is wrong')
})

test('a schema that leaves a field out which it wants itself is refused when it is published', () => {
  const login = v.pipe(
    v.object({ id: v.number(), pw: v.string() }),
    v.transform(({ id }) => ({ id })),
  )
  expect(publishing(login as never, { id: 1, pw: 'x' })).toMatch(/^SCHEMA_NOT_JSON its schema transforms/)
  const strips = wireOf(v.object({ id: v.number() }))
  for (const data of [
    { id: 1, pw: 'x' },
    { id: 2, more: 1 },
  ])
    expect(strips.encode(data)).toEqual({ id: data.id })
})

test.each(['decode', 'encode'] as const)(
  'a codec whose %s has to be waited for is refused, and its rejection ends no process',
  async (which) => {
    const later = codec(z.string(), { decode: String, encode: String, [which]: async () => Promise.reject(new Error('later')) })
    expect(failure(() => wireOf(later)[which]('x')).code).toBe('SCHEMA_ASYNC')
    await new Promise((resolve) => setImmediate(resolve))
  },
)

test.each<[string, z.ZodType, unknown]>([
  ['in the middle of a tuple', z.tuple([z.string().optional(), z.number()]), [undefined, 1]],
  ['at the end of one', z.tuple([z.string(), z.number().optional()]), ['a', undefined]],
  ['in the rest of one', z.tuple([z.string()], z.number().optional()), ['a', undefined]],
])('undefined %s is refused when it is published, where the schema lets it', (_, schema, data) => {
  const { encode } = defineEvent('x', z.object({ list: schema }))
  expect(failure(() => encode({ list: data })).message).toMatch(/list\[\d\]: undefined in an array becomes null/)
  expect(encode({ list: ['a', 1] })).toEqual({ list: ['a', 1] })
})

test.each<[string, () => z.ZodType]>([
  ['a union', () => z.array(z.union([z.string().optional(), z.number()]))],
  ['what is only known later', () => z.array(z.lazy(() => z.string().optional()))],
])('undefined in an array is refused at definition, through %s too', (_, schema) => {
  expect(failure(() => defineEvent('x', z.object({ list: schema() }))).message).toContain('undefined in an array becomes null')
})

test('a bigint is refused where a schema promised it, also when the process has taught it how one is written', () => {
  const prototype = BigInt.prototype as { toJSON?: () => string }
  prototype.toJSON = function () {
    return String(this)
  }
  try {
    expect(publishing(v.object({ n: v.bigint() }) as never, { n: 1n })).toMatch(/^PAYLOAD_NOT_JSON .*n: a bigint does not come back/)
  } finally {
    delete prototype.toJSON
  }
})
