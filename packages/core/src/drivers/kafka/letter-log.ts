import { failureOf, isUnknownTopic } from './failure.ts'
import { Log, type LogOptions } from './log-reader.ts'
import type { RecordIn } from './protocol/client.ts'
import { OURS } from './wire.ts'

export interface LetterLogOptions extends Omit<LogOptions, 'partition'> {
  /** Letters of which is known at a time whether a later record deletes them. Their keys are what a place costs in memory: a few MB for 50,000. */
  readonly mostLetters?: number
}

const MOST_LETTERS = 50_000
/** What is left of a log is held while it is looked through, if it is no more than this: then it is read once and not twice. */
const MOST_HELD_BYTES = 8 * 1024 * 1024
/** A page of letters may be small. */
const FIRST_BYTES = 128 * 1024

/** A part of a log, and which of its records are letters still: of each key the last one, unless a record without a value comes behind it. */
class Stretch {
  readonly from: number
  /** Where it ends. What lies behind deletes letters of it, and adds none. */
  to = Number.POSITIVE_INFINITY
  /** What lies before this was seen. */
  seen: number
  readonly #offsets = new Map<string, number>()
  readonly #most: number

  constructor(from: number, most: number) {
    this.from = from
    this.seen = from
    this.#most = most
  }

  covers(offset: number, log: Log): boolean {
    // Seen further than the log goes: it is another topic of that name, made after the first was deleted.
    return this.from <= offset && offset < this.to && this.seen <= log.end
  }

  see(record: RecordIn): void {
    const { offset } = record
    const key = keyOf(record)
    this.#offsets.delete(key)
    if (offset >= this.to || record.value === null || record.headers[OURS.dead] === undefined) return
    this.#offsets.set(key, offset)
    if (this.#offsets.size >= this.#most) this.to = offset + 1
  }

  has(record: RecordIn): boolean {
    return this.#offsets.get(keyOf(record)) === record.offset
  }
}

/** The stretch that an offset is in, and what lies there and behind where it was little. */
interface Look {
  readonly stretch: Stretch
  readonly held?: readonly (readonly RecordIn[])[]
}

/**
 * The letters of one place. It is a compacted log, where only what lies behind a record tells whether it is a letter still: the log is looked through
 * to its end for every 50,000 letters, and read once more for their bytes where it is large.
 */
export class LetterLog {
  readonly #options: LetterLogOptions
  /** The place as it was last looked through: the next page goes on there. */
  #stretch: Stretch | undefined
  /** The log as it was last opened. */
  #log: Log | undefined
  /** One look at a time: a record that is seen after a later one of its key would be a letter again. */
  #looking: Promise<unknown> = Promise.resolve()

  constructor(options: LetterLogOptions) {
    this.#options = options
  }

  /** Those that there are now from an offset on, as they come from the broker. */
  async *letters(from = 0): AsyncGenerator<readonly RecordIn[]> {
    const log = await this.#open()
    this.#log = log
    if (!log) return
    for (let at = log.start(from); at < log.end; ) {
      const { stretch, held } = await this.#inTurn(() => this.#look(log, at))
      const to = Math.min(stretch.to, log.end)
      for await (const records of held ?? log.batches(at, { to, firstBytes: FIRST_BYTES })) yield records.filter((one) => stretch.has(one))
      at = to
    }
  }

  /** Which of the records that came last are letters now: somebody else may have deleted some since. */
  async still<L extends { readonly record: RecordIn }>(letters: readonly L[]): Promise<readonly L[]> {
    await this.#inTurn(() => this.#lookAtTail())
    return letters.filter(({ record }) => this.#stretch?.has(record))
  }

  async #lookAtTail(): Promise<void> {
    const [log, stretch] = [this.#log, this.#stretch]
    if (!log || !stretch) return
    const to = await log.endNow()
    // It ends before what was seen of it: it is another topic of that name, and has none of them.
    if (to < stretch.seen) this.#stretch = undefined
    for await (const records of log.batches(stretch.seen, { to, firstBytes: FIRST_BYTES }))
      for (const record of records) stretch.see(record)
    stretch.seen = Math.max(stretch.seen, to)
  }

  /** Undefined for a place that was never made, or is deleted. */
  async #open(): Promise<Log | undefined> {
    try {
      return await Log.open(this.#options)
    } catch (thrown) {
      if (isUnknownTopic(failureOf(thrown))) return undefined
      throw thrown
    }
  }

  #inTurn<T>(look: () => Promise<T>): Promise<T> {
    const looking = this.#looking.then(look)
    this.#looking = looking.catch(() => {})
    return looking
  }

  async #look(log: Log, at: number): Promise<Look> {
    const known = this.#stretch?.covers(at, log) ? this.#stretch : undefined
    const stretch = known ?? new Stretch(at, this.#options.mostLetters ?? MOST_LETTERS)
    const held: (readonly RecordIn[])[] = []
    let bytes = 0
    for await (const records of log.batches(stretch.seen)) {
      for (const record of records) {
        stretch.see(record)
        bytes += record.bytes
      }
      if (bytes <= MOST_HELD_BYTES) held.push(records)
      else held.length = 0
    }
    stretch.seen = log.end
    this.#stretch = stretch
    return known || bytes > MOST_HELD_BYTES ? { stretch } : { stretch, held }
  }
}

function keyOf({ key }: RecordIn): string {
  return key?.toString() ?? ''
}
