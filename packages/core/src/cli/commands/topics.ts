import type { Command } from 'commander'
import { CorebusError } from '../../errors.ts'
import { type Row, rowsOf } from '../../operations/topic-rows.ts'
import { withBroker } from '../broker.ts'
import { type Common, common } from '../common.ts'
import { EXIT_HELP } from '../exit.ts'
import { type Condition, conditionOf, type Figures } from '../fail-if.ts'
import { print } from '../report.ts'
import { count, table } from '../table.ts'
import { createCommand } from './topics/create.ts'

interface Options extends Common {
  readonly json?: true
  readonly failIf: readonly string[]
}

const HELP = `
READY      waiting to be handed out
IN FLIGHT  handed out and not settled
DELAYED    waiting for their retry
DEAD       in the dead letters
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
  $ npx corebus topics --json | jq '.[] | select(.dead > 0)'
  $ npx corebus topics --fail-if 'dead>10' --fail-if 'failed>5%'
${EXIT_HELP}`

export function topicsCommand(program: Command): void {
  const collect = (one: string, before: readonly string[]) => [...before, one]
  const topics = common(program.command('topics').description('topics, their groups, and what waits for each'))
    .option('--json', 'as JSON, with everything the broker and the members say')
    .option('--fail-if <condition>', "ends with 1 when it holds, as in 'dead>10' (repeatable)", collect, [])
    .addHelpText('after', HELP)
    .action(async (options: Options) => {
      const conditions = options.failIf.map((text) => ({ text, holds: conditionOf(text) }))
      const rows = await withBroker('topics', options, ({ driver }) => rowsOf(driver))
      await print(options.json ? JSON.stringify(rows) : asTable(rows))
      judge(conditions.map((condition) => answersIn(rows, condition)))
    })
  createCommand(topics)
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
    ...{ ready, 'in-flight': inFlight, delayed, dead, members: members ?? told, oldest },
    ...(known && { rate: perSecond, failed: failedPercent, busy: busyPercent }),
  }
}

function asTable(rows: readonly Row[]): string {
  if (rows.length === 0) return 'no topics yet'
  const columns = [
    { title: 'TOPIC', shrinks: true },
    { title: 'GROUP', shrinks: true },
    ...['READY', 'IN FLIGHT', 'DELAYED', 'DEAD', 'MEMBERS', 'MSG/S', 'FAILED', 'BUSY'].map((title) => ({ title, align: 'right' as const })),
  ] as const
  return table(
    columns,
    rows.map(({ topic, group, kept, ready = kept, inFlight, delayed, dead, members, told = 0, perSecond, failedPercent, busyPercent }) => [
      topic,
      group ?? '(none yet)',
      ...[ready, inFlight, delayed, dead, members].map(count),
      told === 0 ? '-' : (perSecond ?? 0).toFixed(1),
      told === 0 ? '-' : percent(failedPercent),
      told === 0 ? '-' : percent(busyPercent),
    ]),
  )
}

function percent(share = 0): string {
  return `${share < 10 && share > 0 ? share.toFixed(1) : Math.round(share)}%`
}
