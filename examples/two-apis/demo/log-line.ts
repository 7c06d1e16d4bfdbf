/** A line of a service's JSON log: what the SDK says of every message, and what the service says of itself. */
export interface LogLine {
  readonly at: number
  readonly service: string
  readonly level: number
  readonly text: string
  readonly topic: string | undefined
  readonly event: string | undefined
  readonly key: string | undefined
  readonly id: string | undefined
  readonly group: string | undefined
  readonly attempt: number | undefined
  readonly afterMs: number | undefined
  readonly correlationId: string | undefined
  readonly port: number | undefined
  readonly pid: number | undefined
}

export type Happening = 'published' | 'asked' | 'handled' | 'skipped' | 'retry' | 'dead letter'

const BEGINS: readonly (readonly [string, Happening])[] = [
  ['published ', 'published'],
  ['asks the gateway', 'asked'],
  ['handled before', 'skipped'],
  ['handled ', 'handled'],
  ['retry ', 'retry'],
  ['moved to dead letters', 'dead letter'],
]

/** What the line says happened to a message; undefined for every other line. */
export function happeningOf({ text, topic }: LogLine): Happening | undefined {
  return topic === undefined ? undefined : BEGINS.find(([begin]) => text.startsWith(begin))?.[1]
}

/** Undefined for what is no JSON log line: a stack trace, a warning of Node's. */
export function readLogLine(line: string): LogLine | undefined {
  const fields = parsed(line)
  if (!fields || typeof fields.msg !== 'string' || typeof fields.service !== 'string') return undefined
  const string = (name: string): string | undefined => (typeof fields[name] === 'string' ? fields[name] : undefined)
  const number = (name: string): number | undefined => (typeof fields[name] === 'number' ? fields[name] : undefined)
  return {
    at: Date.parse(string('time') ?? ''),
    service: fields.service,
    level: number('level') ?? 30,
    text: fields.msg,
    topic: string('topic'),
    event: string('event'),
    key: string('key'),
    id: string('id'),
    group: string('group'),
    attempt: number('attempt'),
    afterMs: number('afterMs'),
    correlationId: string('correlationId'),
    port: number('port'),
    pid: number('pid'),
  }
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined // not ours to understand
  }
}
