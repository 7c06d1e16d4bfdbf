import type { Delivery, Message } from '../../../driver.ts'
import type { RecordIn } from '../protocol/client.ts'
import { type Origin, originOf, toMessage } from '../wire.ts'
import { encodeNote, type Mark, MOST_NOTE_CHARS } from './position.ts'

/** One record of a partition, from its fetch until everything up to it is committed. */
export class Receipt {
  readonly line: Line
  readonly record: RecordIn
  /** Times it was handed out before this one. */
  before: number
  state: 'waiting' | 'out' | 'settling' | 'done' | 'lost' = 'waiting'
  delivery: Delivery | undefined
  /** The core has seen it. */
  given = false

  constructor(line: Line, record: RecordIn, before: number) {
    this.line = line
    this.record = record
    this.before = before
  }

  /** Where it lies. */
  get place(): Origin {
    const { line, record } = this
    return { topic: line.of, partition: line.partition, offset: record.offset, at: record.at }
  }

  /** Of the message that this is, or is a copy of. Not kept: only those that fail need it. */
  get origin(): Origin {
    return this.line.kind === 'topic' ? this.place : originOf(this.record.headers, this.place)
  }
}

/** An offset with nothing left to do: known to be done, or not there. */
interface Hole {
  readonly state: 'done'
  readonly before: 0
}

export interface LineOptions {
  /** The topic as users know it, and as the broker does. */
  readonly of: string
  readonly topic: string
  readonly partition: number
  readonly kind: 'topic' | 'again' | 'delay'
  readonly base: number
  /** From `base` on. */
  readonly marks: readonly Mark[]
}

/** Room for what may still be handed out while a note is this long. */
const FULL_NOTE_CHARS = MOST_NOTE_CHARS - 1_100

const HOLE: Hole = { state: 'done', before: 0 }
/** Offsets that are not there, between two that are: as many are kept as holes. A wider gap is crossed when all before it is done. */
const WIDEST_GAP = 100_000

/** One partition in the hands of one member: what was read, what is out, what is done, and what may be committed of that. */
export class Line {
  readonly of: string
  readonly topic: string
  readonly partition: number
  readonly kind: LineOptions['kind']
  /** Where the next fetch begins. */
  next: number
  leader = -1
  /** It belongs to nobody here any more. */
  gone = false
  /** It goes to another member once nothing of it is out. */
  leaving = false
  /** Every change that a commit should tell has a number. */
  changed = 0
  stored = 0
  bytes = 0
  /** The broker takes no notes of this length. */
  noteless = false
  /** By offset from `#base` on; the first is not done. */
  #entries: (Receipt | Hole)[] = []
  #base: number
  /** Of the first that waits. */
  #cursor = 0
  #out = 0
  #noteChars = 0
  #atGap = false
  #marks: readonly Mark[]
  readonly #marksFrom: number
  readonly #marksEnd: number

  constructor({ of, topic, partition, kind, base, marks }: LineOptions) {
    this.of = of
    this.topic = topic
    this.partition = partition
    this.kind = kind
    this.next = base
    this.#base = base
    this.#marks = marks
    this.#marksFrom = base
    this.#marksEnd = base + marks.length
  }

  get out(): number {
    return this.#out
  }

  get waiting(): number {
    return this.#entries.length - this.#cursor
  }

  /** The lowest that is not settled. */
  get base(): number {
    this.#trim()
    return this.#base
  }

  /** What comes next lies beyond a gap, and is read when all before it is done. */
  get atGap(): boolean {
    if (!this.#atGap) return false
    this.#trim()
    this.#atGap = this.#entries.length > 0
    return this.#atGap
  }

  /** All before the gap is done: what lies beyond it may be read. */
  crossesGap(): boolean {
    return this.#atGap && !this.atGap
  }

  add(records: readonly RecordIn[], next: number): void {
    for (const record of records) {
      if (record.offset < this.next) continue
      if (this.#isTooFar(record.offset)) return
      this.#skipTo(record.offset)
      const mark = this.#marks[record.offset - this.#marksFrom] ?? 0
      if (mark === 'done') this.#entries.push(HOLE)
      else {
        const receipt = new Receipt(this, record, mark)
        this.#entries.push(receipt)
        this.bytes += record.bytes
      }
      this.next = record.offset + 1
    }
    if (this.#isTooFar(next)) return
    this.#skipTo(next)
    if (next - this.#marksFrom >= this.#marks.length) this.#marks = []
  }

  #isTooFar(offset: number): boolean {
    this.#atGap = this.#entries.length > 0 && offset - this.#base - this.#entries.length > WIDEST_GAP
    return this.#atGap
  }

  /** Transactions and compaction leave gaps: nothing of them is ever settled. */
  #skipTo(offset: number): void {
    if (this.#entries.length === 0 && offset > this.#base) {
      this.#base = offset
      this.changed++
    }
    while (this.#base + this.#entries.length < offset) this.#entries.push(HOLE)
    this.next = Math.max(this.next, offset)
  }

  /** The next one that may be handed out, if it lies less than `span` past the oldest unsettled one and was handed out before or not, where that is asked. */
  take(span: number, again?: boolean): Receipt | undefined {
    if (this.leaving || this.gone || this.#noteChars > FULL_NOTE_CHARS) return undefined
    while (this.#entries[this.#cursor]?.state === 'done') this.#cursor++
    const receipt = this.#entries[this.#cursor]
    if (!(receipt instanceof Receipt) || (again !== undefined && receipt.before > 0 !== again)) return undefined
    if (receipt.record.offset - this.#base >= span && receipt.record.offset - this.base >= span) return undefined
    this.#cursor++
    this.#out++
    receipt.state = 'out'
    this.bytes -= receipt.record.bytes
    receipt.delivery = {
      message: toMessage(receipt.record, receipt.place, this.kind !== 'topic'),
      unsettledBefore: receipt.before,
      original: this.kind === 'topic',
      receipt,
    }
    this.changed++
    return receipt
  }

  /** The same message once more, as a copy of it would come. */
  again(receipt: Receipt, headers: Message['headers']): void {
    const { delivery } = receipt
    if (!delivery) return
    const message = { ...delivery.message, headers: { ...delivery.message.headers, ...headers } }
    receipt.delivery = { message, unsettledBefore: receipt.before, original: false, receipt }
  }

  done(receipt: Receipt): void {
    if (receipt.state !== 'out' && receipt.state !== 'settling') return
    receipt.state = 'done'
    this.#out--
    this.changed++
  }

  /** Not at every settlement: moving a long array costs. */
  #trim(): void {
    let n = 0
    while (this.#entries[n]?.state === 'done') n++
    if (n === 0) return
    this.#entries.splice(0, n)
    this.#base += n
    this.#cursor = Math.max(this.#cursor - n, 0)
    this.changed++
  }

  /** All that is out, oldest first. */
  held(): readonly Receipt[] {
    return this.#entries.filter((one): one is Receipt => one.state === 'out' || one.state === 'settling')
  }

  /** As if it had not been taken. Only of a line that hands out nothing more. */
  giveBack(receipt: Receipt): void {
    if (receipt.state !== 'out') return
    receipt.state = 'waiting'
    this.#out--
    this.changed++
  }

  /** Takes the start off what is out: it goes back, and nobody crashed. */
  handBack(): void {
    for (const receipt of this.held()) receipt.state = 'waiting'
    this.#cursor = this.#entries.length
    this.#out = 0
    this.changed++
  }

  /** Forgets everything; what was out is lost. */
  lose(): readonly Receipt[] {
    const lost = this.held()
    for (const one of this.#entries) if (one instanceof Receipt && one.state !== 'done') one.state = 'lost'
    this.gone = true
    this.#entries = []
    this.bytes = 0
    this.#out = 0
    return lost
  }

  /** What to commit now. */
  commit(): { offset: string; metadata: string } {
    this.#trim()
    let note = encodeNote(this.#told())
    this.#noteChars = note.length
    if (note.length > MOST_NOTE_CHARS || this.noteless) note = ''
    return { offset: String(this.#base), metadata: note }
  }

  *#told(): Iterable<Mark> {
    // Of what was never handed out there is nothing to tell, and most of what waits was not.
    const end = Math.min(Math.max(this.#cursor, this.#marksEnd - this.#base), this.#entries.length)
    for (let n = 0; n < end; n++) {
      const one = this.#entries[n] as Receipt | Hole
      yield one.state === 'done' ? 'done' : one.before + (one.state === 'waiting' ? 0 : 1)
    }
    // Not read again yet.
    for (let n = this.next - this.#marksFrom; n < this.#marks.length; n++) yield this.#marks[n] ?? 0
  }
}
