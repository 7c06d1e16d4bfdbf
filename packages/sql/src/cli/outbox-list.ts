import { CorebusError } from '@corebus/core'
import {
  age,
  type Column,
  type Command,
  collect,
  count,
  EXIT_HELP,
  print,
  redactText,
  table,
  wholeNumber,
} from '@corebus/core/internal/cli'
import type { OutboxEntry, OutboxFilter, OutboxState, OutboxStore } from '../outbox/store.ts'
import { type Json, withEntryOptions, withStore } from './parts.ts'

interface Options extends Json {
  readonly state: readonly string[]
  readonly topic?: string
  readonly key?: string
  readonly limit: number
}

/** Those that somebody has to do something about come first. */
const STATES: readonly OutboxState[] = ['dead', 'held', 'aside', 'waiting', 'delayed']
const SHOWN = 100

const HELP = `
The dead first, then what is held by them, what was refused and is tried again,
what waits, and what is delayed; the oldest of each first. It changes nothing.

Examples:
  $ npx corebus outbox list
  $ npx corebus outbox list --state dead --topic orders.created
  $ npx corebus outbox list --key 4711 --json | jq -r '.[].id'
${EXIT_HELP}`

export function listCommand(outbox: Command): void {
  withEntryOptions(outbox.command('list').description('which messages are in it'))
    .option('--state <state>', `only these: ${STATES.join(', ')} (repeatable)`, collect, [])
    .option('--topic <topic>', 'to this topic')
    .option('--key <key>', 'with this key')
    .option('--limit <n>', 'so many at most', wholeNumber, SHOWN)
    .option('--json', 'as JSON')
    .addHelpText('after', HELP)
    .action(list)
}

async function list(options: Options): Promise<void> {
  const { limit, json, topic, key } = options
  const states = statesOf(options.state)
  const filter = { ...(topic !== undefined && { topic }), ...(key !== undefined && { key }) }
  const found = await withStore(options, (store) => entriesIn(store, states, filter, limit + 1))
  const shown = found.slice(0, limit)
  if (json) return print(JSON.stringify(shown.map(asJson)))
  const more = found.length > limit ? `\nand more: --limit ${limit * 10} shows them, or choose with --state, --topic or --key` : ''
  await print(shown.length === 0 ? 'nothing is in the outbox that was asked for' : `${entriesTable(shown, Date.now())}${more}`)
}

function statesOf(given: readonly string[]): readonly OutboxState[] {
  const unknown = given.find((one) => !(STATES as readonly string[]).includes(one))
  if (unknown !== undefined) throw new CorebusError('USAGE', `--state ${unknown}: there are ${STATES.join(', ')}`)
  return given.length === 0 ? STATES : STATES.filter((state) => given.includes(state))
}

async function entriesIn(
  store: OutboxStore,
  states: readonly OutboxState[],
  filter: OutboxFilter,
  limit: number,
): Promise<readonly OutboxEntry[]> {
  const found: OutboxEntry[] = []
  for (const state of states) if (found.length < limit) found.push(...(await store.list(state, { ...filter, limit: limit - found.length })))
  return found
}

/** A row for programs: times as text, as in all JSON of the command line. */
export function asJson({ at, dueAt, diedAt, error, ...entry }: OutboxEntry): object {
  return {
    ...entry,
    at: new Date(at).toISOString(),
    ...(dueAt !== undefined && { dueAt: new Date(dueAt).toISOString() }),
    ...(diedAt !== undefined && { diedAt: new Date(diedAt).toISOString() }),
    ...(error !== undefined && { error: redactText(error) }),
  }
}

const COLUMNS: readonly Column[] = [
  { title: 'STATE' },
  { title: 'ID' },
  { title: 'TOPIC', shrinks: true },
  { title: 'KEY', shrinks: true, gives: true },
  { title: 'EVENT', shrinks: true, gives: true },
  { title: 'AGE', align: 'right' },
  { title: 'ATTEMPTS', align: 'right', gives: true },
  { title: 'WHY', shrinks: true },
]

function entriesTable(entries: readonly OutboxEntry[], now: number): string {
  const rows = entries.map(({ state, id, topic, key, event, at, attempts, dueAt, error }) => {
    const why = error !== undefined ? (redactText(error).split('\n')[0] ?? '') : dueAt !== undefined ? `due in ${age(dueAt - now)}` : '-'
    return [state, id, topic, key ?? '-', event ?? '-', age(now - at), attempts === 0 ? '-' : count(attempts), why]
  })
  return table(COLUMNS, rows)
}
