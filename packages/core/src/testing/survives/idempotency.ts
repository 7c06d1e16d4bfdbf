import type { Called } from './told.ts'

const KEY = /^idempotency[-_]?key$/i
/** As deep as a header lies in the options of a request. */
const DEEPEST = 3

/** The calls, and of those that carry an idempotency key the first of each: who receives them does the same once. */
export function onceFor(calls: readonly Called[]): readonly Called[] {
  const known = new Set<string>()
  return calls.filter(({ name, args }) => {
    const key = keyIn(args)
    if (key === undefined) return true
    const isFirst = !known.has(`${name}\0${key}`)
    known.add(`${name}\0${key}`)
    return isFirst
  })
}

function keyIn(value: unknown, depth = 0): string | undefined {
  if (typeof value !== 'object' || value === null || depth > DEEPEST) return undefined
  const entries: Iterable<[string, unknown]> = value instanceof Headers ? value : Object.entries(value)
  for (const [name, one] of entries) {
    if (KEY.test(name) && (typeof one === 'string' || typeof one === 'number')) return String(one)
    const within = keyIn(one, depth + 1)
    if (within !== undefined) return within
  }
  return undefined
}
