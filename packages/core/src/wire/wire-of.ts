import { config, locales, safeDecode, safeEncode } from 'zod/v4/core'
import { asError, CorebusError } from '../errors.ts'
import { type Codec, codecIn } from './codec.ts'
import { changedByJson } from './plain.ts'
import { isZod, type Schema, type Wire } from './schema.ts'
import { checked, refuseThenable, validated } from './validation.ts'

export function wireOf<Out>(schema: Schema<Out>): Wire<Out> {
  if (isZod<Out>(schema)) {
    mustSayWhy()
    return {
      encode: (value) => checked(() => safeEncode(schema, value as Out)),
      decode: (wire) => checked(() => safeDecode(schema, wire)),
    }
  }
  const codec = codecIn(schema)
  return codec ? wireOfCodec(codec as Codec<unknown, Out>) : wireOfOthers(schema)
}

/** Schemas of zod/mini bring no language: of what does not fit they would say "Invalid input" and no more. A language that is chosen stays. */
function mustSayWhy(): void {
  if (!config().localeError) config(locales.en())
}

function wireOfCodec<Out>({ schema, encode, decode }: Codec<unknown, Out>): Wire<Out> {
  const wire = wireOf(schema)
  return {
    encode: (value) => wire.encode(converted('encode', encode, value as Out)),
    decode: (received) => converted('decode', decode, wire.decode(received)),
  }
}

function converted<In, Out>(which: string, convert: (value: In) => Out, value: In): Out {
  let result: Out
  try {
    result = convert(value)
  } catch (cause) {
    if (cause instanceof CorebusError) throw cause
    throw new CorebusError('PAYLOAD_INVALID', `the codec's ${which} failed: ${asError(cause).message}`, { cause })
  }
  refuseThenable(result)
  return result
}

/**
 * Another library validates, one way: what is published and what is received. What it cannot be asked at definition is seen when something is
 * published: does JSON carry what it made, and would it make the same of that once more?
 */
function wireOfOthers<Out>(schema: Schema<Out>): Wire<Out> {
  const decode = (wire: unknown): Out => checked(() => validated(schema, wire))
  // What only leaves fields out does so for every payload, so one is asked; what makes something new of them is asked each time.
  let leavesOutWell = false
  const encode = (value: unknown): Out => {
    const out = checked(
      () => validated(schema, value),
      () => hintOn(value),
    )
    const change = changedByJson(out, 'refused')
    if (change) throw new CorebusError('PAYLOAD_NOT_JSON', `the payload would be changed by JSON: ${change}`)
    // Mostly nothing was made of it but a copy without some fields. A trimmed text or a default is made once, and stays.
    if (out === value) return out
    const leavesOut = isPartOf(out, value)
    if (leavesOut && leavesOutWell) return out
    if (!isStable(schema, out))
      throw new CorebusError(
        'SCHEMA_NOT_JSON',
        'its schema transforms, and would do it again when the message is handled: wrap a schema of what travels with codec(schema, { decode, encode })',
      )
    if (leavesOut) leavesOutWell = true
    return out
  }
  return { encode, decode }
}

/** A schema that transforms wants what comes before the transformation, where a publisher has what comes after. */
function hintOn(value: unknown): string {
  const change = changedByJson(value, 'refused')
  return change === undefined
    ? ''
    : `. JSON would change it (${change}). If the schema transforms, wrap one of what travels with codec(schema, { decode, encode })`
}

function isStable<Out>(schema: Schema<Out>, out: Out): boolean {
  const again = validated(schema, out)
  return again.success && isPartOf(again.data, out) && isPartOf(out, again.data)
}

/** Everything in `part` is in `whole`, at the same place. */
function isPartOf(part: unknown, whole: unknown): boolean {
  if (Object.is(part, whole)) return true
  if (typeof part !== 'object' || part === null || typeof whole !== 'object' || whole === null) return false
  if (Array.isArray(part)) return Array.isArray(whole) && part.length === whole.length && part.every((item, i) => isPartOf(item, whole[i]))
  if (Array.isArray(whole)) return false
  return Object.entries(part).every(([key, value]) => value === undefined || isPartOf(value, (whole as Record<string, unknown>)[key]))
}
