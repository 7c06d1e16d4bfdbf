const FIRST = 9
const LAST = 20

interface Told {
  readonly topic: string
  readonly id: string
  readonly event?: string | undefined
  readonly group?: string
}

/** A line for each thing that happened: the first and the last of them are kept, so that a test's failure shows how it began and where it stands. */
export class Timeline {
  #began: number | undefined
  readonly #first: string[] = []
  #last: string[] = []
  #left = 0

  add(at: number, what: string, { topic, id, event, group }: Told, more?: string): void {
    this.#began ??= at
    const where = group === undefined ? `to ${topic}` : `by ${group}`
    const line = `${elapsed(at - this.#began).padStart(10)}  ${what.padEnd(11)} ${event ?? `a message of ${topic}`} ${where}${id === '' ? '' : ` (${id})`}${more === undefined ? '' : `: ${more}`}`
    if (this.#first.length < FIRST) this.#first.push(line)
    else if (this.#last.push(line) > LAST) {
      this.#last.shift()
      this.#left++
    }
  }

  clear(): void {
    this.#first.length = 0
    this.#last = []
    this.#left = 0
  }

  /** At most 30 lines. */
  text(): string {
    if (this.#first.length === 0) return '  nothing has happened'
    const between = this.#left === 0 ? [] : [`            ... ${this.#left} more ...`]
    return [...this.#first, ...between, ...this.#last].map((line) => cut(line)).join('\n')
  }
}

const MOST_CHARACTERS = 200
const cut = (line: string): string => {
  const flat = line.replaceAll('\n', ' ')
  return flat.length > MOST_CHARACTERS ? `${flat.slice(0, MOST_CHARACTERS)}...` : flat
}

/** On the app's clock, since its first line. */
function elapsed(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const s = Math.round(ms / 100) / 10
  if (s < 60) return `${s} s`
  const minutes = Math.floor(s / 60)
  return minutes < 60 ? `${minutes} min ${Math.round(s % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
