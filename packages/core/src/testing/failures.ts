import { CorebusError } from '../errors.ts'

/** A named handler, or a method of an object that handlers use: `[gateway, 'charge']`. */
export type Failing = string | readonly [object: object, method: string]

interface Rule {
  readonly what: string
  readonly error: unknown
  left: number
}

/** The failures that a test asked for: what is to throw, and how often yet. */
export class Failures {
  #rules: Rule[] = []
  readonly #restore: (() => void)[] = []

  add(what: Failing, error: unknown, times: number): void {
    if (typeof what === 'string') this.#rules.push({ what, error, left: times })
    else this.#restore.push(failingMethod(what, error, times))
  }

  /** @throws what the test said, where it is this handler's turn */
  check(handler: string): void {
    const rule = this.#rules.find(({ what, left }) => left > 0 && isNamed(handler, what))
    if (!rule) return
    rule.left--
    throw rule.error
  }

  restore(): void {
    this.#rules = []
    for (const restore of this.#restore.splice(0).reverse()) restore()
  }
}

/** `welcome (on(user.created)) at src/orders.ts:3` is `welcome`, and `on(user.created)`; `OrderEvents.welcome` is `welcome` too. */
export function isNamed(handler: string, what: string): boolean {
  return handler === what || handler.startsWith(`${what} `) || handler.includes(`(${what})`) || handler.endsWith(`.${what}`)
}

function failingMethod([object, method]: Exclude<Failing, string>, error: unknown, times: number): () => void {
  const own = Object.getOwnPropertyDescriptor(object, method)
  const original: unknown = (object as Record<string, unknown>)[method]
  if (typeof original !== 'function') throw new CorebusError('OPTION', `fail([object, '${method}']): the object has no method ${method}`)
  let left = times
  function failing(this: unknown, ...args: unknown[]): unknown {
    if (left <= 0) return (original as (...given: unknown[]) => unknown).apply(this, args)
    left--
    // A method that is asynchronous rejects, as its callers expect.
    if ((original as () => unknown).constructor.name === 'AsyncFunction') return Promise.reject(error)
    throw error
  }
  Object.defineProperty(object, method, { value: failing, configurable: true, writable: true, enumerable: own?.enumerable ?? false })
  return () => {
    if (own) Object.defineProperty(object, method, own)
    else delete (object as Record<string, unknown>)[method]
  }
}
