import { randomOf } from '../chaos/random.ts'

/** What a header may be, where the protocol has types. Elsewhere it is written as text or bytes. */
export type OddValue = string | number | boolean | null | Uint8Array | readonly OddValue[] | { readonly [name: string]: OddValue }

/** A message as somebody else writes it, without a thought of us. Its body ends with # and its number. */
export interface Odd {
  readonly n: number
  readonly id?: string
  readonly key?: string
  readonly headers: readonly (readonly [name: string, value: OddValue])[]
  readonly body: Uint8Array
}

/** Of Object.prototype, of ours, of the brokers' own, and of nobody. What makes a message another kind of message is not among them. */
const NAMES = [
  ...['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf', 'prototype', 'length', 'then', 'toJSON'],
  ...['corebus-id', 'corebus-attempt', 'corebus-snoozes', 'corebus-reason', 'corebus-error', 'corebus-error-stack', 'corebus-failed-at'],
  ...[
    'corebus-origin',
    'corebus-dead',
    'corebus-delay-ms',
    'corebus-dead-at',
    'corebus-dead-group',
    'corebus-dead-topic',
    'corebus-dead-until',
  ],
  ...[
    'corebus-topic',
    'corebus-group',
    'corebus-correlation',
    'corebus-causation',
    'corebus-left-out',
    'corebus-packed',
    'corebus-unknown',
  ],
  ...['x-death', 'x-delivery-count', 'x-acquired-count', 'x-first-death-queue', 'x-stream-offset', 'content-type', 'traceparent'],
  ...['a', 'A', ' ', '!', '\u0000', '\n', 'ünï', '鍵', '\u202e', 'n'.repeat(200)],
]
const TEXTS = [
  '',
  '0',
  '-1',
  '1e999',
  'NaN',
  'null',
  '{}',
  '[1]',
  '{"topic":"x","partition":0,"offset":0,"at":0}',
  'garbage',
  '\u001b[2J',
  '\ufeff',
  '\u0000',
]
/** Names under which a number means something in a copy: half of the time there is one. */
const COUNTS = ['corebus-attempt', 'corebus-snoozes', 'x-delivery-count', 'x-acquired-count']
const IDS = ['', ' ', 'same', '-', '0-1', '__proto__', '\n', 'i'.repeat(400)]
const BODIES = ['', '{', '[]', 'null', '{"name":"x","data":1}', '\ufeff{}', '{"__proto__":{"a":1}}', '['.repeat(5_000)]

export function oddMessages({
  seed,
  from,
  count,
}: {
  readonly seed: number
  readonly from: number
  readonly count: number
}): readonly Odd[] {
  const random = randomOf(seed * 7_919 + from)
  const below = (n: number) => Math.floor(random() * n)
  const pick = <T>(some: readonly T[]) => some[below(some.length)] as T
  const bytes = (most: number) => Uint8Array.from({ length: below(most) }, () => below(256))
  const value = (depth: number): OddValue => {
    switch (below(depth > 4 ? 5 : 8)) {
      case 0:
        return pick(TEXTS)
      case 1:
        return 'x'.repeat(below(200))
      case 2:
        return pick([0, -1, 1, 2 ** 31, -(2 ** 31), 2 ** 52, 0.5])
      case 3:
        return pick([true, false, null])
      case 4:
        return bytes(50)
      case 5:
        return Array.from({ length: below(4) }, () => value(depth + 1))
      default:
        return Object.fromEntries(Array.from({ length: below(4) }, () => [pick(NAMES), value(depth + 1)]))
    }
  }
  const headersOf = (): Odd['headers'] => {
    // Now and then as many, or as large, as hurts.
    if (below(100) === 0) return [['big', 'x'.repeat(below(2) === 0 ? below(100_000) : 64_000 + below(36_000))]]
    if (below(100) === 0) return Array.from({ length: below(2_000) }, (_, n) => [`h${n}`, pick(TEXTS)] as const)
    const names = new Set(Array.from({ length: below(6) }, () => pick(NAMES)))
    return [...names].map((name) => [name, COUNTS.includes(name) && below(2) === 0 ? pick(['2', '7', '1000']) : value(0)] as const)
  }
  return Array.from({ length: count }, (_, i) => {
    const n = from + i
    const body = below(2) === 0 ? Buffer.from(pick(BODIES)) : Buffer.from(bytes(300))
    return {
      n,
      headers: headersOf(),
      body: Buffer.concat([body, Buffer.from(`#${n}`)]),
      ...(below(2) === 0 && { id: pick(IDS) }),
      ...(below(2) === 0 && { key: pick([...IDS, 'k1', 'k2']) }),
    }
  })
}

const DOES = ['succeeds', 'fails once', 'fails always'] as const

/** What its handler does with it, call after call the same. */
export function doesWith(n: number): (typeof DOES)[number] {
  return DOES[n % DOES.length] as (typeof DOES)[number]
}

/** Of a message's body, whatever else is in it. */
export function numberAt(body: Uint8Array): number {
  const [, n] = /#(\d+)$/.exec(Buffer.from(body).subarray(-12).toString('latin1')) ?? []
  return Number(n)
}

export const FUZZED = { maxRetries: 1, retryDelayMs: 20, concurrency: 50 } as const

/** Throws for a message that is to fail at this attempt. */
export function handleOdd(body: Uint8Array, { attempt, mended }: { readonly attempt: number; readonly mended: boolean }): number {
  const n = numberAt(body)
  const does = doesWith(n)
  if (!mended && (does === 'fails always' || (does === 'fails once' && attempt === 1))) throw new Error('no')
  return n
}

/** As text, for protocols whose headers are nothing else. */
export function asText(value: OddValue): string {
  if (typeof value === 'string') return value
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : JSON.stringify(value)
}
