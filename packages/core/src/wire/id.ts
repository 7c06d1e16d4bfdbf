import { crypto } from '../process/built-in.ts'

/** Characters. A longer id is read and shown, and goes into no other message. */
export const LONGEST_ID = 1_000

const POOL = 256
const pool = new Uint8Array(16 * POOL)
let used = POOL

const HEX: readonly string[] = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0'))

function format(b: Uint8Array, o: number): string {
  const h = (i: number) => HEX[b[o + i] as number]
  return `${h(0)}${h(1)}${h(2)}${h(3)}-${h(4)}${h(5)}-${h(6)}${h(7)}-${h(8)}${h(9)}-${h(10)}${h(11)}${h(12)}${h(13)}${h(14)}${h(15)}`
}

function refill(): void {
  crypto().randomFillSync(pool)
  used = 0
}

/** So that the first id takes no longer than the others: called while a broker is connected to. */
export function readyForIds(): void {
  if (used === POOL) refill()
}

/** A UUIDv7 (RFC 9562): ids made later in one process sort later, to the millisecond. */
export function newId(now: number = Date.now()): string {
  if (used === POOL) {
    refill()
  }
  const o = 16 * used++
  const high = Math.floor(now / 0x1_0000_0000)
  const low = now >>> 0
  pool[o] = high >>> 8
  pool[o + 1] = high
  pool[o + 2] = low >>> 24
  pool[o + 3] = low >>> 16
  pool[o + 4] = low >>> 8
  pool[o + 5] = low
  pool[o + 6] = ((pool[o + 6] as number) & 0x0f) | 0x70
  pool[o + 8] = ((pool[o + 8] as number) & 0x3f) | 0x80
  return format(pool, o)
}

/** The same UUID (version 8, from SHA-256) for the same parts: what a redelivered message publishes again keeps its id. */
export function derivedId(...parts: readonly (string | number)[]): string {
  const b = crypto().createHash('sha256').update(JSON.stringify(parts)).digest()
  b[6] = ((b[6] as number) & 0x0f) | 0x80
  b[8] = ((b[8] as number) & 0x3f) | 0x80
  return format(b, 0)
}

/** The id of a message or a request, as everything that follows from it carries it: one that would fill their headers is not carried. */
export function carried(id: string | undefined): string | undefined {
  return id !== undefined && id.length <= LONGEST_ID ? id : undefined
}
