/** What says itself how it is written: 'kept' (an entity, a Date, a Decimal), or 'refused', where a schema promised the reader what it is itself. */
export type SelfWritten = 'kept' | 'refused'

type Step = string | number

/** Found on the way down, and the way to it, deepest step first. */
interface Offence {
  readonly what: string
  readonly path: Step[]
}

const LOST: Readonly<Record<string, string>> = {
  Map: 'a Map becomes {}: send Object.fromEntries(map), or an array of pairs',
  Set: 'a Set becomes {}: send an array',
  Error: 'an Error becomes {}: send its message and what else is to be known',
  RegExp: 'a RegExp becomes {}: send its source',
  Promise: 'a promise becomes {}: await it before publishing',
}

/**
 * JSON.stringify changes some values without a word: NaN becomes null, a Map {}. Whoever reads them gets something else than was published.
 * Undefined fields of objects are left out, as everywhere in JSON. Returns the first thing that would be changed, with its place and what to
 * send instead.
 */
export function changedByJson(value: unknown, selfWritten: SelfWritten): string | undefined {
  let found: Offence | undefined
  try {
    found = find(value, selfWritten)
  } catch (thrown) {
    // So deep that even looking at it is too much, or a circle: JSON.stringify says which.
    if (thrown instanceof RangeError) return undefined
    throw thrown
  }
  if (!found) return undefined
  const place = found.path.reverse().reduce<string>((path, step) => path + (typeof step === 'number' ? `[${step}]` : `.${step}`), '')
  return `${place === '' ? 'the payload' : place.replace(/^\./, '')}: ${found.what}`
}

function find(value: unknown, selfWritten: SelfWritten): Offence | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : offends(`${value} becomes null: use null, or leave it out`)
    case 'bigint':
      // JSON.stringify refuses one, unless the process has taught it how one is written: then it comes back as something else.
      return selfWritten === 'kept' ? undefined : offends('a bigint does not come back from JSON as one: send its text, or write a codec')
    case 'function':
    case 'symbol':
      return offends(`a ${typeof value} cannot leave the process: leave it out`)
    default:
      return value === null ? undefined : findIn(value as object, selfWritten)
  }
}

function findIn(value: object, selfWritten: SelfWritten): Offence | undefined {
  if (Array.isArray(value)) return findInArray(value, selfWritten)
  const prototype: unknown = Object.getPrototypeOf(value)
  const isPlain = prototype === Object.prototype || prototype === null
  if (ArrayBuffer.isView(value) || tagOf(value) === 'ArrayBuffer') return offends('bytes become an object of numbers: send them as base64')
  if ('toJSON' in value && typeof value.toJSON === 'function') return selfWrittenBy(value, selfWritten)
  if (!isPlain) {
    const lost = lostOf(value)
    if (lost) return offends(lost)
  }
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue
    const found = find((value as Record<string, unknown>)[key], selfWritten)
    if (!found) continue
    found.path.push(key)
    return found
  }
  return undefined
}

function findInArray(values: readonly unknown[], selfWritten: SelfWritten): Offence | undefined {
  for (let i = 0; i < values.length; i++) {
    const found = values[i] === undefined ? offends('undefined in an array becomes null: use null') : find(values[i], selfWritten)
    if (!found) continue
    found.path.push(i)
    return found
  }
  return undefined
}

function selfWrittenBy(value: object, selfWritten: SelfWritten): Offence | undefined {
  const isDate = tagOf(value) === 'Date'
  if (isDate && Number.isNaN((value as Date).getTime())) return offends('an invalid Date becomes null')
  if (selfWritten === 'kept') return undefined
  const name = nameOf(value)
  const example = isDate ? ': send its toISOString(), or write a codec' : ': send that, or write a codec'
  return offends(`${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name} becomes what its toJSON writes, and does not come back as one${example}`)
}

/** Objects that keep what they hold where JSON does not look. */
function lostOf(value: object): string | undefined {
  const tag = tagOf(value)
  const known = LOST[tag]
  if (known) return known
  const boxed = tag === 'Number' || tag === 'String' || tag === 'Boolean'
  if (boxed || Object.keys(value).length > 0) return undefined
  // A class without any field is an empty object, and rightly so; a built-in one (URLSearchParams, WeakMap, Headers) hides what it holds.
  return tag === 'Object' ? undefined : `${nameOf(value)} becomes {}: send what it holds as plain data`
}

/** By its tag, because what comes from another realm (a VM context, as test runners make) is no instance of ours. */
const tagOf = (value: object): string => Object.prototype.toString.call(value).slice(8, -1)

function nameOf(value: object): string {
  return (value.constructor as { readonly name?: string } | undefined)?.name || 'object'
}

const offends = (what: string): Offence => ({ what, path: [] })
