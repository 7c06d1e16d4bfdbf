import { setHeader } from '../../headers.ts'
import { HIDDEN } from '../wire.ts'
import type { RawHeaders } from './records.ts'

/** About what a record takes here beside its bytes. */
const HELD_BYTES = 40

/** What handlers and logs get of a record. Of a header that is there twice, the last; one without a value is left out. */
export interface RecordText {
  readonly key: string | undefined
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
  /** Headers of this driver, which nobody else sees. */
  readonly ours: Readonly<Record<string, string | undefined>>
}

/** A text at its place, for the next record that has the same there. */
interface Known {
  readonly from: number
  readonly length: number
  readonly text: string
}

interface Name extends Known {
  /** Of this driver. */
  readonly hidden: boolean
}

/** The records of one batch as they lie there, and what reads them. */
export class RecordBytes {
  readonly #bytes: Buffer
  #at = 0
  /** By the place of the header in its record: most records of a batch have the same names, and some the values that the first has. */
  readonly #names: Name[] = []
  readonly #values: Known[] = []

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** The next one. `stamped`: its time is that of the batch. */
  record(firstOffset: number, firstAt: number, stamped: boolean, unreadable?: string): RecordIn {
    const length = this.varint()
    const end = this.#at + length
    this.#at++ // attributes: none are in use
    const delta = this.varint()
    const offset = firstOffset + this.varint()
    const from = this.#at
    this.#at = end
    return new RecordIn(this, { offset, at: stamped ? firstAt : firstAt + delta, from, bytes: HELD_BYTES + length, unreadable })
  }

  /** All of it, and nothing that is not there. */
  get isRead(): boolean {
    return this.#at === this.#bytes.length
  }

  seek(at: number): void {
    this.#at = at
  }

  /** Of up to 53 bits: lengths, and times in ms. */
  varint(): number {
    const bytes = this.#bytes
    let byte = bytes[this.#at++] as number
    let value = byte & 0x7f
    for (let scale = 0x80; byte > 0x7f; scale *= 0x80) {
      byte = bytes[this.#at++] as number
      value += (byte & 0x7f) * scale
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  part(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    const from = this.#at
    this.#at += length
    return this.#bytes.subarray(from, this.#at)
  }

  text(): string | undefined {
    const length = this.varint()
    if (length < 0) return undefined
    const from = this.#at
    this.#at += length
    return this.#bytes.toString('utf8', from, this.#at)
  }

  /** Of the nth header. */
  name(n: number): Name {
    const length = this.varint()
    const from = this.#at
    this.#at += length
    const known = this.#names[n]
    if (known !== undefined && this.#isAt(from, length, known)) return known
    const text = this.#bytes.toString('utf8', from, this.#at)
    const found = { from, length, text, hidden: HIDDEN.has(text) }
    this.#names[n] = found
    return found
  }

  /** Of the nth header. */
  value(n: number): string | undefined {
    const length = this.varint()
    if (length < 0) return undefined
    const from = this.#at
    this.#at += length
    const known = this.#values[n]
    if (known !== undefined && this.#isAt(from, length, known)) return known.text
    const text = this.#bytes.toString('utf8', from, this.#at)
    if (known === undefined) this.#values[n] = { from, length, text }
    return text
  }

  /** From the end: there ids of one time differ. */
  #isAt(from: number, length: number, known: Known): boolean {
    if (length !== known.length) return false
    const bytes = this.#bytes
    for (let n = length - 1; n >= 0; n--) if (bytes[from + n] !== bytes[known.from + n]) return false
    return true
  }
}

interface Place {
  readonly offset: number
  readonly at: number
  readonly from: number
  readonly bytes: number
  readonly unreadable: string | undefined
}

/**
 * As it was read. What is in it is taken out each time it is asked for: thousands are held until they are handed out, each as one object, and then most are asked
 * once.
 */
export class RecordIn {
  readonly offset: number
  /** Ms since the epoch. */
  readonly at: number
  /** About what it takes here. */
  readonly bytes: number
  /** Why it is not what its author wrote, but stands for what could not be read. */
  readonly unreadable: string | undefined
  readonly #source: RecordBytes
  readonly #from: number

  constructor(source: RecordBytes, { offset, at, from, bytes, unreadable }: Place) {
    this.offset = offset
    this.at = at
    this.bytes = bytes
    this.unreadable = unreadable
    this.#source = source
    this.#from = from
  }

  get key(): Buffer | null {
    this.#source.seek(this.#from)
    return this.#source.part()
  }

  get value(): Buffer | null {
    this.#source.seek(this.#from)
    this.#source.part()
    return this.#source.part()
  }

  get headers(): RawHeaders {
    const source = this.#source
    source.seek(this.#from)
    source.part()
    source.part()
    const headers: Record<string, RawHeaders[string]> = {}
    for (let n = 0, count = source.varint(); n < count; n++) {
      const { text: name } = source.name(n)
      const value = source.part()
      const before = Object.hasOwn(headers, name) ? headers[name] : undefined
      setHeader(headers, name, before === undefined ? value : several(before, value))
    }
    return headers
  }

  text(): RecordText {
    const source = this.#source
    source.seek(this.#from)
    const key = source.text()
    const value = source.part()
    const headers: Record<string, string> = {}
    const ours: Record<string, string> = {}
    for (let n = 0, count = source.varint(); n < count; n++) {
      const { text: name, hidden } = source.name(n)
      const text = source.value(n)
      if (text !== undefined) setHeader(hidden ? ours : headers, name, text)
    }
    return { key, value, headers, ours }
  }
}

function several(before: NonNullable<RawHeaders[string]> | null, value: Buffer | null): readonly Buffer[] | null {
  const all = [...(before === null ? [] : Buffer.isBuffer(before) ? [before] : before), ...(value === null ? [] : [value])]
  return all.length === 0 ? null : all
}
