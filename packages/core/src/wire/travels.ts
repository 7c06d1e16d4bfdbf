import { type $ZodType, type $ZodTypes, toJSONSchema } from 'zod/v4/core'
import { asError, CorebusError } from '../errors.ts'
import { codecIn } from './codec.ts'
import { oneWayIn } from './one-way.ts'
import { isZod, type Schema } from './schema.ts'

/** `wire`: must survive JSON. `code`: only has to find its way back, as behind a codec. */
type Side = 'wire' | 'code'

interface Walk {
  readonly offences: string[]
  /** Schemas above the current one: meeting one again is recursion. */
  readonly above: Set<$ZodType>
  /** Schemas without an offence, so that many that refer to each other are walked once. */
  readonly clean: Record<Side, Set<$ZodType>>
  /** It takes anything somewhere: z.any(), z.unknown(), fields it does not know. */
  open: boolean
}

const MOST_OFFENCES = 20

const INSTEAD_OF: Partial<Record<$ZodTypes['_zod']['def']['type'], string>> = {
  date: 'a Date becomes a string in JSON and does not come back: use z.iso.datetime(), or z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })',
  bigint:
    'JSON has no bigint: use z.string().regex(/^-?\\d+$/), or z.codec(z.string(), z.bigint(), { decode: (text) => BigInt(text), encode: String })',
  symbol: 'a symbol cannot leave the process: use z.string() or z.enum([...])',
  undefined: 'JSON has no undefined: use .optional(), or z.null()',
  void: 'JSON has no undefined: use .optional(), or z.null()',
  map: 'a Map becomes {} in JSON: use z.record(z.string(), ...), or z.codec from an array of pairs',
  set: 'a Set becomes {} in JSON: use z.array(...), or z.codec from an array',
  nan: 'NaN becomes null in JSON: use z.number().nullable()',
  function: 'a function cannot leave the process: send its result',
  promise: 'a promise cannot leave the process: await it before publishing',
  file: 'a file cannot travel as JSON: send where it lies, or z.base64()',
  custom: 'nothing says how z.custom() or z.instanceof() is written as JSON: use z.json(), a schema of plain data, or z.codec',
  transform: '.transform() and z.preprocess() go one way only: use z.codec(...), which knows the way back, or transform in the handler',
  success: 'z.success() goes one way only: use z.boolean()',
}

/**
 * At definition, before the first message: does every field survive JSON, there and back? Of other libraries those can be asked that describe both
 * ways as JSON Schema; with the rest it is seen when something is published. Returns 'open' where the schema lets anything travel.
 * @throws CorebusError SCHEMA_NOT_JSON that names each offending field and what to use instead; `name` says whose schema it is.
 */
export function checkTravels(name: string, schema: Schema): 'open' | 'closed' {
  const codec = codecIn(schema)
  if (codec) return checkTravels(name, codec.schema)
  if (!isZod(schema)) {
    const offences = oneWayIn(schema)
    if (offences.length > 0) throw notJson(name, offences)
    return 'closed'
  }
  const walk: Walk = { offences: [], above: new Set(), clean: { wire: new Set(), code: new Set() }, open: false }
  try {
    if (mayBeUndefined(schema)) walk.offences.push('the payload itself is optional, and JSON has no undefined: use .nullable()')
    visit(schema, '', 'wire', walk)
  } catch (cause) {
    const why = asError(cause).message
    throw notJson(name, [`its schema cannot be read yet (${why}): define what it refers to above it`], cause)
  }
  if (walk.offences.length > 0) throw notJson(name, walk.offences)
  return walk.open ? 'open' : 'closed'
}

function notJson(name: string, offences: readonly string[], cause?: unknown): CorebusError {
  const more = offences.length > MOST_OFFENCES ? `\n  and ${offences.length - MOST_OFFENCES} more` : ''
  const lines = offences.slice(0, MOST_OFFENCES).map((line) => `\n  ${line}`)
  return new CorebusError('SCHEMA_NOT_JSON', `${name} cannot travel as JSON:${lines.join('')}${more}`, { cause })
}

/** Where the walk is. */
interface Place {
  readonly path: string
  readonly side: Side
  readonly walk: Walk
}

function visit(schema: $ZodType, path: string, side: Side, walk: Walk): void {
  if (walk.above.has(schema) || walk.clean[side].has(schema)) return
  const before = walk.offences.length
  walk.above.add(schema)
  visitInner(schema, { path, side, walk })
  walk.above.delete(schema)
  if (walk.offences.length === before) walk.clean[side].add(schema)
}

function into(inner: $ZodType, step: string, { path, side, walk }: Place): void {
  visit(inner, path + step, side, walk)
}

function offends(what: string, { path, walk }: Place): void {
  walk.offences.push(`${path === '' ? 'the payload' : path.replace(/^\./, '')}: ${what}`)
}

function visitInner(schema: $ZodType, place: Place): void {
  const { def } = (schema as $ZodTypes)._zod
  const { side, walk } = place
  switch (def.type) {
    case 'object':
    case 'array':
    case 'tuple':
    case 'record':
    case 'union':
    case 'intersection':
      visitParts(def, place)
      return
    case 'optional':
    case 'nullable':
    case 'nonoptional':
    case 'default':
    case 'prefault':
    case 'catch':
    case 'readonly':
      into(def.innerType, '', place)
      return
    case 'lazy':
      into(def.getter(), '', place)
      return
    case 'pipe':
      visitPipe(def, place)
      return
    case 'transform':
    case 'success':
    case 'promise':
      offends(INSTEAD_OF[def.type] ?? def.type, place)
      return
    case 'literal':
      visitLiteral(def, place)
      return
    case 'date':
    case 'bigint':
    case 'symbol':
    case 'undefined':
    case 'void':
    case 'map':
    case 'set':
    case 'nan':
    case 'function':
    case 'file':
    case 'custom':
      if (side === 'wire') offends(INSTEAD_OF[def.type] ?? def.type, place)
      return
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
    case 'enum':
    case 'template_literal':
    case 'never':
      return
    case 'any':
    case 'unknown':
      walk.open = true
      return
  }
  walk.open = true
  // A kind that came with a later zod than ours.
  if (side === 'wire' && !representable(schema)) offends('zod has no JSON Schema for it: use a schema of plain data, or z.codec', place)
}

type Def = $ZodTypes['_zod']['def']
type DefOf<Type extends Def['type']> = Extract<Def, { readonly type: Type }>

/** What is made of others, side by side. */
function visitParts(def: DefOf<'object' | 'array' | 'tuple' | 'record' | 'union' | 'intersection'>, place: Place): void {
  switch (def.type) {
    case 'object':
      for (const [key, field] of Object.entries(def.shape)) into(field, `.${key}`, place)
      if (def.catchall) into(def.catchall, '.*', place)
      return
    case 'array':
      if (place.side === 'wire' && mayBeUndefined(def.element))
        offends('undefined in an array becomes null in JSON: use .nullable() for its elements', place)
      into(def.element, '[]', place)
      return
    case 'tuple':
      for (const [i, item] of def.items.entries()) into(item, `[${i}]`, place)
      if (def.rest) into(def.rest, '[...]', place)
      // Left out at the end they are well; said as undefined they become null. So the data is asked.
      if ([...def.items, ...(def.rest ? [def.rest] : [])].some((item) => mayBeUndefined(item))) place.walk.open = true
      return
    case 'record':
      into(def.keyType, '(key)', place)
      into(def.valueType, '.*', place)
      return
    case 'union':
      for (const option of def.options) into(option, '', place)
      return
    case 'intersection':
      into(def.left, '', place)
      into(def.right, '', place)
  }
}

function visitPipe(def: DefOf<'pipe'>, place: Place): void {
  into(def.in, '', place)
  if (coerces(def.in, def.out)) offends('coercion goes one way only: use z.codec(...), which knows the way back', place)
  // What a codec or a pipe makes of it stays in the process, but must find its way back.
  visit(def.out, place.path, 'code', place.walk)
}

function visitLiteral(def: DefOf<'literal'>, place: Place): void {
  for (const value of place.side === 'wire' ? def.values : [])
    if (typeof value === 'bigint' || value === undefined) offends(INSTEAD_OF[typeof value as 'bigint' | 'undefined'] ?? '', place)
}

function mayBeUndefined(schema: $ZodType, above: ReadonlySet<$ZodType> = new Set()): boolean {
  if (above.has(schema)) return false
  const { def } = (schema as $ZodTypes)._zod
  const inner = (one: $ZodType) => mayBeUndefined(one, new Set([...above, schema]))
  switch (def.type) {
    case 'optional':
      return true
    case 'nullable':
    case 'readonly':
      return inner(def.innerType)
    case 'union':
      return def.options.some(inner)
    case 'lazy':
      return inner(def.getter())
    default:
      return false
  }
}

// `z.string().pipe(z.coerce.number())` reads text, and encoding would hand it a number.
function coerces(from: $ZodType, to: $ZodType): boolean {
  const [before, after] = [(from as $ZodTypes)._zod.def, (to as $ZodTypes)._zod.def]
  return 'coerce' in after && after.coerce === true && before.type !== after.type && before.type !== 'any' && before.type !== 'unknown'
}

function representable(schema: $ZodType): boolean {
  try {
    toJSONSchema(schema, { io: 'input' })
    return true
  } catch {
    return false
  }
}
