import { styleText } from 'node:util'
import type { Line } from './child.ts'
import { type Happening, happeningOf, type LogLine } from './log-line.ts'

export type Kind =
  | 'step'
  | 'answered'
  | 'published'
  | 'asked'
  | 'handled'
  | 'skipped'
  | 'row'
  | 'retry'
  | 'dead letter'
  | 'command'
  | 'started'
  | 'stopped'
  | 'warning'
  | 'says'

export interface Timeline {
  /** One line: who, when, what kind of thing, and what. */
  tell(service: string, kind: Kind, what: string): void
  /** The line of a process, where it is worth one. */
  line(line: Line): void
}

export interface TimelineOptions {
  readonly write?: (text: string) => void
  readonly colours?: boolean
  readonly columns?: number
  /** The width of the names of services. */
  readonly nameColumns?: number
  readonly now?: () => number
}

type Style = Parameters<typeof styleText>[0]

const STYLES: Record<Kind, Style> = {
  step: 'bold',
  answered: 'cyan',
  published: 'blue',
  asked: 'gray',
  handled: 'green',
  skipped: 'gray',
  row: 'green',
  retry: 'yellow',
  'dead letter': 'red',
  command: 'magenta',
  started: 'gray',
  stopped: 'gray',
  warning: 'red',
  says: 'gray',
}
const WARN = 40
const KIND_COLUMNS = 13

/** Prints one line an event, the service's name first. */
export function timeline({
  write = (text) => void process.stdout.write(text),
  colours = process.stdout.isTTY && process.stdout.hasColors(),
  columns = 120,
  nameColumns = 10,
  now = performance.now.bind(performance),
}: TimelineOptions = {}): Timeline {
  const startedAt = now()

  function tell(service: string, kind: Kind, what: string): void {
    const seconds = ((now() - startedAt) / 1_000).toFixed(2).padStart(6)
    const head = `${service.padEnd(nameColumns)} ${seconds} s  `
    const text = what.replace(/[\r\n\t]+/g, ' ')
    const room = columns - head.length - KIND_COLUMNS
    const fitting = text.length > room ? `${text.slice(0, room - 1)}…` : text
    const paint = (painted: string): string => (colours ? styleText(STYLES[kind], painted, { validateStream: false }) : painted)
    write(`${head}${paint(kind.padEnd(KIND_COLUMNS))}${kind === 'step' ? paint(fitting) : fitting}\n`)
  }

  function line(said: Line): void {
    const service = said.from.split(' ')[0] ?? said.from
    const [kind, what] = eventOf(said)
    if (kind) tell(service, kind, what)
  }

  return { tell, line }
}

const NOTHING = [undefined, ''] as const

function eventOf({ text, log }: Line): readonly [Kind, string] | typeof NOTHING {
  if (!log) return text.trim() === '' ? NOTHING : ['warning', text]
  const happening = happeningOf(log)
  if (happening) return [happening, describe(log, happening)]
  if (log.level >= WARN) return ['warning', log.text]
  const started = log.text.startsWith(STARTED) || log.port !== undefined
  return started
    ? ['started', `process ${log.pid} ${log.text.replace(`${STARTED}: `, 'consumes: ').replace(/, concurrency \d+$/, '')}`]
    : NOTHING
}

const STARTED = 'consumer started'

/** The kind of line says it already. */
const SAID = /^(retry|moved to dead letters:) /

function describe(log: LogLine, happening: Happening): string {
  const what = log.event ?? 'message'
  switch (happening) {
    case 'published':
      return `${what} to ${log.topic}, key ${log.key}`
    case 'asked':
      return `the gateway for ${what} from ${log.topic}, attempt ${log.attempt}`
    case 'handled':
    case 'skipped':
      return `${what} from ${log.topic} by ${log.group}, key ${log.key}`
    case 'retry':
    case 'dead letter':
      return log.text.replace(SAID, '')
  }
}
