import type { Command } from 'commander'
import { CorebusError } from '../../errors.ts'
import { checkKnown } from '../../operations/known.ts'
import { type Row, rowsOf } from '../../operations/topic-rows.ts'
import { withBroker } from '../broker.ts'
import { type Common, collect, wholeNumber } from '../common.ts'
import { EXIT_HELP } from '../exit.ts'
import { type Condition, conditionOf, type Figures } from '../fail-if.ts'
import { print } from '../report.ts'
import { createCommand } from './topics/create.ts'
import { messagesOf, messagesTable } from './topics/messages.ts'
import { topicsTable } from './topics/table.ts'

interface Options extends Common {
  readonly json?: true
  readonly failIf: readonly string[]
  readonly topic: readonly string[]
  readonly messages?: true
  readonly limit: number
}

const HELP = `
READY      waiting to be handed out
IN FLIGHT  handed out and not settled
DELAYED    waiting for their retry; where groups or topics wait together, below
DEAD       in the dead letters; - where they go to others, as said below
OLDEST     since the oldest unsettled one was published
MEMBERS    processes that read the group; what they say of themselves:
MSG/S      handled in a second, over the last minute
FAILED     of the calls of the last minute
BUSY       of their handlers at once (concurrency)

--fail-if ends with exit code 1 when a group on a topic is so, and says which:
ready, in-flight, delayed, dead, members, rate, failed (%), busy (%), oldest
(seconds), compared by >, >=, <, <= or = with a number. What neither the
broker nor any member says is an error (2), not an alarm that never rings.

The broker is the one that .env and the environment name; what the service's
code says is not seen.

Examples:
  $ npx corebus topics
  $ npx corebus topics --topic orders --messages
  $ npx corebus topics --json | jq '.[] | select(.dead > 0)'
  $ npx corebus topics --fail-if 'dead>10' --fail-if 'failed>5%'
${EXIT_HELP}`

export function define(topics: Command): void {
  topics
    .option('--topic <topic>', 'only this topic (repeatable)', collect, [])
    .option('--messages', 'which messages are out or wait for their retry, by id')
    .option('--limit <n>', 'with --messages: so many of each group at most', wholeNumber, 100)
    .option('--json', 'as JSON, with everything the broker and the members say')
    .option('--fail-if <condition>', "ends with 1 when it holds, as in 'dead>10' (repeatable)", collect, [])
    .addHelpText('after', HELP)
    .action((options: Options) => (options.messages ? messages(options) : show(options)))
  createCommand(topics)
}

async function show({ topic, failIf, json, ...options }: Options): Promise<void> {
  const conditions = failIf.map((text) => ({ text, holds: conditionOf(text) }))
  const rows = await withBroker('topics', options, async ({ driver }) => {
    for (const one of topic) await checkKnown(driver.admin, { topic: one })
    return rowsOf(driver, topic.length > 0 ? topic : undefined)
  })
  await print(json ? JSON.stringify(rows) : topicsTable(rows))
  judge(conditions.map((condition) => answersIn(rows, condition)))
}

async function messages({ topic, failIf, json, limit, ...options }: Options): Promise<void> {
  if (topic.length === 0) throw new CorebusError('USAGE', 'messages of which topic? Say it with --topic')
  if (failIf.length > 0) throw new CorebusError('USAGE', '--messages and --fail-if contradict each other: give one of them')
  const found = await withBroker('topics', options, ({ driver }) => messagesOf(driver, topic, limit))
  await print(json ? JSON.stringify(found) : messagesTable(found, Date.now()))
}

interface Answers {
  /** What a condition says of a row. */
  readonly broken: readonly string[]
  readonly unknown: readonly string[]
}

function answersIn(rows: readonly Row[], { text, holds }: { readonly text: string; readonly holds: Condition }): Answers {
  const told = rows.flatMap((row) =>
    row.group === null ? [] : [{ of: `topic ${row.topic}, group ${row.group}`, what: holds(figuresIn(row)) }],
  )
  return {
    broken: told.flatMap(({ of, what }) => (what === undefined || what === 'unknown' ? [] : `${of}: ${what} (--fail-if '${text}')`)),
    unknown: told.flatMap(({ of, what }) => (what === 'unknown' ? `${of}: nobody says what --fail-if '${text}' asks for` : [])),
  }
}

/** @throws CorebusError FAIL_IF when a condition holds; USAGE when one cannot be judged: an alarm that cannot ring */
function judge(answers: readonly Answers[]): void {
  const [broken, unknown] = [answers.flatMap((one) => one.broken), answers.flatMap((one) => one.unknown)]
  if (broken.length > 0) throw new CorebusError('FAIL_IF', [...broken, ...unknown].join('\n'))
  if (unknown.length > 0) throw new CorebusError('USAGE', unknown.join('\n'))
}

function figuresIn({ ready, inFlight, delayed, dead, members, told = 0, perSecond, failedPercent, busyPercent, oldestMs }: Row): Figures {
  const isEmpty = (ready ?? 0) + (inFlight ?? 0) + (delayed ?? 0) === 0
  const oldest = oldestMs !== undefined ? oldestMs / 1_000 : isEmpty ? 0 : undefined
  // Members of an earlier build say nothing.
  const known = told > 0 || members === 0
  return {
    ready,
    'in-flight': inFlight,
    delayed,
    dead,
    members: members ?? told,
    oldest,
    ...(known && { rate: perSecond, failed: failedPercent, busy: busyPercent }),
  }
}
