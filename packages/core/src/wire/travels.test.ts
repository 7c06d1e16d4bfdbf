import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import * as mini from 'zod/mini'
import { CorebusError } from '../errors.ts'
import type { Schema } from './schema.ts'
import { checkTravels } from './travels.ts'

function offences(schema: Schema): readonly string[] {
  try {
    checkTravels('event x', schema)
    return []
  } catch (error) {
    if (!(error instanceof CorebusError)) throw error
    expect(error.code).toBe('SCHEMA_NOT_JSON')
    const [head, ...lines] = error.message.split('\n  ')
    expect(head).toBe('event x cannot travel as JSON:')
    return lines
  }
}

const isoDate = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
const Tree = z.object({
  name: z.string(),
  get children() {
    return z.array(Tree)
  },
})
const Chain = z.object({
  at: z.date(),
  get next(): z.ZodOptional<typeof Chain> {
    return Chain.optional()
  },
})

describe('what cannot travel is found at definition', () => {
  test.each<[string, Schema, string]>([
    ['a Date', z.object({ at: z.date() }), 'at: a Date becomes a string'],
    ['a coerced Date', z.object({ at: z.coerce.date() }), 'at: a Date'],
    ['a bigint', z.object({ n: z.bigint() }), 'n: JSON has no bigint'],
    ['a 64-bit integer', z.object({ n: z.int64() }), 'n: JSON has no bigint'],
    ['a bigint literal', z.object({ n: z.literal([1, 2n]) }), 'n: JSON has no bigint'],
    ['an undefined literal', z.object({ n: z.literal(undefined) }), 'n: JSON has no undefined'],
    ['a symbol', z.object({ s: z.symbol() }), 's: a symbol'],
    ['undefined', z.object({ u: z.undefined() }), 'u: JSON has no undefined'],
    ['void', z.object({ u: z.void() }), 'u: JSON has no undefined'],
    ['a Map', z.object({ m: z.map(z.string(), z.string()) }), 'm: a Map becomes {}'],
    ['a Set', z.object({ m: z.set(z.string()) }), 'm: a Set becomes {}'],
    ['NaN', z.object({ n: z.nan() }), 'n: NaN becomes null'],
    ['a function', z.object({ f: z.function() as unknown as z.ZodType }), 'f: a function'],
    ['a promise', z.object({ p: z.promise(z.string()) }), 'p: a promise'],
    ['a file', z.object({ f: z.file() }), 'f: a file'],
    ['a class', z.object({ u: z.instanceof(URL) }), 'u: nothing says how'],
    ['a transform', z.object({ t: z.string().transform(Number) }), 't: .transform()'],
    ['a preprocess', z.object({ t: z.preprocess(Number, z.number()) }), 't: .transform() and z.preprocess()'],
    ['a coercion behind a pipe', z.object({ t: z.string().pipe(z.coerce.number()) }), 't: coercion goes one way only'],
    [
      'a transform behind a codec',
      z.object({ t: z.codec(z.string(), z.string().transform(Number), { decode: String, encode: String }) }),
      't: .tr',
    ],
    ['something nested', z.object({ a: z.object({ b: z.array(z.object({ at: z.date() })) }) }), 'a.b[].at: a Date'],
    ['a record value', z.object({ r: z.record(z.string(), z.date()) }), 'r.*: a Date'],
    ['a member of a union', z.object({ u: z.union([z.string(), z.date()]) }), 'u: a Date'],
    ['a member of a discriminated union', z.discriminatedUnion('k', [z.object({ k: z.literal('a'), at: z.date() })]), 'at: a Date'],
    ['a side of an intersection', z.intersection(z.object({ a: z.string() }), z.object({ b: z.date() })), 'b: a Date'],
    ['a place in a tuple', z.tuple([z.string(), z.date()]), '[1]: a Date'],
    ['the rest of a tuple', z.tuple([z.string()], z.date()), '[...]: a Date'],
    ['further fields', z.object({}).catchall(z.date()), '*: a Date'],
    ['an optional', z.object({ at: z.date().optional() }), 'at: a Date'],
    ['a nullable with a default', z.object({ at: z.date().nullable().default(null).readonly() }), 'at: a Date'],
    ['a lazy schema', z.object({ at: z.lazy(() => z.date()) }), 'at: a Date'],
    ['a recursive schema', Chain, 'at: a Date'],
    ['an optional element', z.object({ list: z.array(z.string().optional()) }), 'list: undefined in an array becomes null'],
    ['the payload itself', z.date(), 'the payload: a Date'],
    ['an optional payload', z.string().optional(), 'the payload itself is optional'],
    ['a Date in zod/mini', mini.object({ at: mini.date() }) as unknown as Schema, 'at: a Date'],
  ])('%s', (_, schema, expected) => {
    expect(offences(schema)).toEqual([expect.stringContaining(expected)])
  })

  test('every field is named, each with what to use instead', () => {
    expect(offences(z.object({ at: z.date(), n: z.bigint() }))).toEqual([
      expect.stringMatching(/^at: .*z\.iso\.datetime\(\)/),
      expect.stringMatching(/^n: .*z\.string\(\)/),
    ])
  })

  test('a schema used in two places is named in both', () => {
    const Stamp = z.object({ at: z.date() })
    expect(offences(z.object({ made: Stamp, changed: Stamp }))).toHaveLength(2)
  })

  test('a schema that refers to what is not defined yet says so', () => {
    const early = z.object({ later: z.lazy(() => Later) })
    expect(offences(early)).toEqual([expect.stringContaining('define what it refers to above it')])
    const Later = z.string()
  })
})

describe('what can travel is accepted', () => {
  test.each<[string, Schema]>([
    ['plain fields', z.object({ id: z.number(), email: z.email(), ok: z.boolean(), nothing: z.null(), any: z.unknown() })],
    ['a codec from ISO text to Date', z.object({ at: isoDate, maybe: isoDate.optional() })],
    ['a codec to bigint', z.codec(z.string(), z.bigint(), { decode: BigInt, encode: String })],
    ['a codec to a class', z.codec(z.string(), z.instanceof(URL), { decode: (text) => new URL(text), encode: String })],
    ['a boolean as text', z.object({ on: z.stringbool() })],
    ['a recursive object', Tree],
    ['any JSON', z.json()],
    [
      'enums, literals and templates',
      z.object({ e: z.enum(['a', 'b']), l: z.literal(['x', 1, null]), t: z.templateLiteral(['n', z.number()]) }),
    ],
    [
      'records, tuples, unions',
      z.object({ r: z.record(z.string(), z.number()), t: z.tuple([z.string()]), u: z.union([z.string(), z.number()]) }),
    ],
    [
      'optionals, defaults, refinements',
      z.object({ o: z.string().optional(), d: z.number().default(1), c: z.string().trim().refine(Boolean) }),
    ],
    ['a coerced number', z.object({ n: z.coerce.number() })],
    ['a pipe between texts', z.string().pipe(z.email())],
    ['a schema of another library', { '~standard': { version: 1, vendor: 'x', validate: (value: unknown) => ({ value }) } }],
  ])('%s', (_, schema) => {
    expect(offences(schema)).toEqual([])
  })
})
