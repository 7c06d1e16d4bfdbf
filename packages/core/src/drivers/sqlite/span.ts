/** A message of a span that is not simply out: handed back, or found unsettled when its owner died. */
export interface Suspect {
  /** How often it was handed out and its owner died. */
  readonly count: number
  /** Handed out again by the present owner. */
  readonly out: boolean
}

/**
 * What one group has claimed of one partition: messages `lo` to `hi - 1`. Below `lo` all is settled, from `hi` on nothing was handed out, in between
 * `done` tells. An unsettled message without an entry in `suspects` is out for the first time.
 */
export interface Span {
  lo: number
  hi: number
  /** Bit i is message `lo - lo % 8 + i`. */
  done: Uint8Array
  suspects: Map<number, Suspect>
}

const NONE = new Uint8Array(0)

export function copyOf({ lo, hi, done, suspects }: Span): Span {
  return { lo, hi, done: done.length === 0 ? NONE : done.slice(), suspects: new Map(suspects) }
}

export function isDone(span: Span, n: number): boolean {
  if (n < span.lo) return true
  const bit = n - (span.lo - (span.lo % 8))
  return ((span.done[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0
}

/** Call `advance` after the last of several. */
export function markDone(span: Span, n: number): void {
  if (n < span.lo || n >= span.hi) return
  const first = span.lo - (span.lo % 8)
  const bit = n - first
  if (bit >>> 3 >= span.done.length) {
    const grown = new Uint8Array((span.hi - first + 7) >>> 3)
    grown.set(span.done)
    span.done = grown
  }
  span.done[bit >>> 3] = (span.done[bit >>> 3] ?? 0) | (1 << (bit & 7))
  if (span.suspects.size > 0) span.suspects.delete(n)
}

/** Moves `lo` over what is settled without a gap. */
export function advance(span: Span): void {
  const first = span.lo - (span.lo % 8)
  const bits = span.hi - first
  const { done } = span
  let bit = span.lo - first
  while (bit < bits) {
    const byte = done[bit >>> 3] ?? 0
    if ((bit & 7) === 0 && byte === 0xff && bit + 8 <= bits) bit += 8
    else if (byte & (1 << (bit & 7))) bit++
    else break
  }
  span.lo = first + bit
  if (span.lo === span.hi) span.done = NONE
  else if (bit >>> 3 > 0) span.done = done.slice(Math.min(bit >>> 3, done.length))
}

/** Counts one more death for what was out; what nobody handed out again since the last one keeps its count. */
export function takeOver(span: Span): void {
  span.suspects = new Map(
    unsettled(span).map((n) => {
      const before = span.suspects.get(n) ?? { count: 0, out: true }
      return [n, { count: before.count + (before.out ? 1 : 0), out: false }]
    }),
  )
}

/** Gives back what is out, uncounted. What was never suspected and lies at the end is simply unclaimed. */
export function handBack(span: Span): void {
  span.suspects = new Map(unsettled(span).map((n) => [n, { count: span.suspects.get(n)?.count ?? 0, out: false }]))
  while (span.hi > span.lo && span.suspects.get(span.hi - 1)?.count === 0) {
    span.hi--
    span.suspects.delete(span.hi)
  }
  if (span.lo === span.hi) span.done = NONE
}

export function setOut(span: Span, n: number): void {
  const count = span.suspects.get(n)?.count ?? 0
  if (count === 0) span.suspects.delete(n)
  else span.suspects.set(n, { count, out: true })
}

function unsettled(span: Span): number[] {
  const found: number[] = []
  for (let n = span.lo; n < span.hi; n++) if (!isDone(span, n)) found.push(n)
  return found
}

export function encodeDone({ lo, hi, done }: Span): Uint8Array | null {
  if (lo === hi) return null
  let end = done.length
  while (end > 0 && done[end - 1] === 0) end--
  return end === 0 ? null : done.subarray(0, end)
}

export function encodeSuspects({ suspects }: Span): string | null {
  if (suspects.size === 0) return null
  return JSON.stringify(Array.from(suspects, ([n, { count, out }]) => [n, count, out ? 1 : 0]))
}

export function decodeSpan(lo: number, hi: number, done: Uint8Array | null, suspects: string | null): Span {
  return { lo, hi, done: done ?? NONE, suspects: suspects === null ? new Map() : decodeSuspects(suspects) }
}

function decodeSuspects(text: string): Map<number, Suspect> {
  const entries = JSON.parse(text) as [n: number, count: number, out: number][]
  return new Map(entries.map(([n, count, out]) => [n, { count, out: out === 1 }]))
}
