import { CorebusError } from '@corebus/core'

type Line = Readonly<Record<string, unknown>>

/** The first line of a file of ours, which says what it is. */
export interface Head extends Line {
  readonly corebus: 'ranges' | 'rows' | 'dump'
  readonly v: 1
  readonly master: string
}

/** A file of ours: a head, a line each, and an end that says how many there were, so that one which was cut is not taken for whole. */
export async function* written(head: Omit<Head, 'v'>, lines: AsyncIterable<object>): AsyncGenerator<string> {
  yield JSON.stringify({ v: 1, ...head })
  let n = 0
  for await (const line of lines) {
    yield JSON.stringify(line)
    n++
  }
  yield JSON.stringify({ end: n })
}

export interface Reading {
  readonly head: Head
  /** @throws CorebusError REPLICATION_FILE behind the last line of a file that was cut */
  readonly lines: AsyncGenerator<Line>
}

/** @throws CorebusError REPLICATION_FILE for what is no file of ours */
export async function reading(text: AsyncIterable<string>, kinds: readonly Head['corebus'][]): Promise<Reading> {
  const lines = text[Symbol.asyncIterator]()
  const first = await lines.next()
  const head = first.done ? undefined : parsed(first.value, 1)
  const isOurs = head && kinds.some((kind) => kind === head.corebus) && typeof head.master === 'string'
  if (!isOurs)
    throw broken(
      `it is none of ours: its first line must be that of ${kinds.join(' or ')}, and is ${first.done ? 'missing' : shown(first.value)}`,
    )
  if (head.v !== 1) throw broken(`it is of version ${JSON.stringify(head.v)}, and this release reads 1`)
  return { head: head as Head, lines: rest(lines) } // its kind and master were looked at
}

async function* rest(lines: AsyncIterator<string>): AsyncGenerator<Line> {
  let n = 0
  for (;;) {
    const next = await lines.next()
    if (next.done) throw broken(`it was cut behind ${n} lines: its last line does not say that it is the end`)
    if (next.value === '') continue
    const line = parsed(next.value, n + 2)
    if (typeof line.end === 'number') {
      if (line.end === n) return
      throw broken(`it has ${n} lines, and its end says ${line.end}`)
    }
    n++
    yield line
  }
}

function parsed(text: string, n: number): Line {
  try {
    const line: unknown = JSON.parse(text)
    if (typeof line === 'object' && line !== null) return line as Line
  } catch {
    // The error below says what the line is.
  }
  throw broken(`line ${n} is cut, or no JSON: ${shown(text)}`)
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 40))

const broken = (why: string): CorebusError =>
  new CorebusError('REPLICATION_FILE', `the file cannot be read to its end: ${why}. Make it anew; what was read of it does no harm`)
