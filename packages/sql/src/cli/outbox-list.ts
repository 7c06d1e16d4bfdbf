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
import type { OutboxEntry, OutboxState } from '../outbox/store.ts'
import { type Json, withEntryOptions, withStore } from './parts.ts'

interface Options extends Json {
  readonly state: readonly string[]
  readonly topic?: string
  readonly key?: string
  readonly limit: number
  readonly after?: string
}

/** Those that somebody has to do something about come first. */
const STATES: readonly OutboxState[] = ['dead', 'held', 'aside', 'waiting', 'delayed']
const SHOWN = 100

const HELP = `
The dead first, then what is held by them, what was refused and is tried again,
what waits, and what is delayed; the oldest of each first. Where there are more
it says what --after goes on with. It changes nothing. --json is
{ "messages": [...], "next": "..." }, where next is what --after takes, and left
out when there are no more.

Examples:
  $ npx corebus outbox list
  $ npx corebus outbox list --limit 20
  $ npx corebus outbox list --state dead --topic orders.created
  $ npx corebus outbox list --key 4711 --json | jq -r '.messages[].id'
${EXIT_HELP}`

export function listCommand(outbox: Command): void {
  withEntryOptions(outbox.command('list').description('which messages are in it'))
    .option('--state <state>', `only these: ${STATES.join(', ')} (repeatable)`, collect, [])
    .option('--topic <topic>', 'to this topic')
    .option('--key <key>', 'with this key')
    .option('--limit <n>', 'so many at most', wholeNumber, SHOWN)
    .option('--after <cursor>', 'go on behind a list that had a limit, with the same filter')
    .option('--json', 'as JSON')
    .addHelpText('after', HELP)
    .action(list)
}

async function list(options: Options): Promise<void> {
  const { limit, after, json, topic, key } = options
  const states = statesOf(options.state)
  const filter = { limit, ...(after !== undefined && { after }), ...(topic !== undefined && { topic }), ...(key !== undefined && { key }) }
  const { entries, next } = await withStore(options, (store) => store.page(states, filter))
  if (json) return print(JSON.stringify({ messages: entries.map(asJson), ...(next !== undefined && { next }) }))
  if (entries.length === 0) return print('nothing is in the outbox that was asked for')
  const more = next === undefined ? '' : `\nand more: go on with --after ${next}`
  await print(`${entriesTable(entries, Date.now())}${more}`)
}

function statesOf(given: readonly string[]): readonly OutboxState[] {
  const unknown = given.find((one) => !(STATES as readonly string[]).includes(one))
  if (unknown !== undefined) throw new CorebusError('USAGE', `--state ${unknown}: there are ${STATES.join(', ')}`)
  return given.length === 0 ? STATES : STATES.filter((state) => given.includes(state))
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
