import type { Command } from 'commander'
import type { Depth, Driver } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { figuresOf, type GroupFigures, notesOf } from '../../operations/group-figures.ts'
import { withBroker } from '../broker.ts'
import { type Common, common } from '../common.ts'
import { EXIT_HELP } from '../exit.ts'
import { type Condition, conditionOf, type Figures } from '../fail-if.ts'
import { print } from '../report.ts'
import { table } from '../table.ts'

interface Options extends Common {
  readonly json?: true
  readonly failIf: readonly string[]
}

/** One group of one topic. A topic that no group reads has a row without one: what it keeps waits for the first. */
interface Row extends Partial<Depth>, Partial<GroupFigures> {
  readonly topic: string
  readonly group: string | null
  readonly kept?: number
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
  common(program.command('topics').description('topics, their groups, and what waits for each'))
    .option('--json', 'as JSON, with everything the broker and the members say')
    .option('--fail-if <condition>', "ends with 1 when it holds, as in 'dead>10' (repeatable)", collect, [])
    .addHelpText('after', HELP)
    .action(async (options: Options) => {
      const conditions = options.failIf.map((text) => ({ text, holds: conditionOf(text) }))
      const rows = await withBroker('core topics', options, ({ driver }) => rowsOf(driver))
      await print(options.json ? JSON.stringify(rows) : asTable(rows))
      const broken = conditions.flatMap((condition) => brokenIn(rows, condition))
      if (broken.length > 0) throw new CorebusError('FAIL_IF', broken.join('\n'))
    })
}

async function rowsOf(driver: Driver): Promise<readonly Row[]> {
  const { admin } = driver
  const topics = [...(await admin.topics())].sort((a, b) => (a.topic < b.topic ? -1 : 1))
  const all = [...new Set(topics.flatMap(({ groups }) => groups))]
  const notes = new Map(await Promise.all(all.map(async (group) => [group, await notesOf(driver, group)] as const)))
  const rows: Row[] = []
  for (const { topic, groups, kept } of topics) {
    const known = kept === undefined ? {} : { kept }
    if (groups.length === 0) rows.push({ topic, group: null, ...known })
    for (const group of [...groups].sort()) {
      const told = notes.get(group)
      rows.push({ topic, group, ...known, ...(await admin.depth(topic, group)), ...(told && figuresOf(told, topic)) })
    }
  }
  return rows
}

/** What the condition says of all rows. @throws CorebusError USAGE when it can be judged of none: an alarm that cannot ring */
function brokenIn(rows: readonly Row[], { text, holds }: { readonly text: string; readonly holds: Condition }): readonly string[] {
  const answers = rows.flatMap((row) => (row.group === null ? [] : [{ row, what: holds(figuresIn(row)) }]))
  if (answers.length > 0 && answers.every(({ what }) => what === 'unknown'))
    throw new CorebusError('USAGE', `--fail-if '${text}' cannot be judged: neither this broker nor the members of its groups say it`)
  return answers.flatMap(({ row, what }) =>
    what === undefined || what === 'unknown' ? [] : `topic ${row.topic}, group ${row.group}: ${what} (--fail-if '${text}')`,
  )
}

function figuresIn({ ready, inFlight, delayed, dead, members, told, perSecond, failedPercent, busyPercent, oldestMs }: Row): Figures {
  const isEmpty = (ready ?? 0) + (inFlight ?? 0) + (delayed ?? 0) === 0
  const oldest = oldestMs !== undefined ? oldestMs / 1_000 : isEmpty ? 0 : undefined
  return {
    ...{ ready, 'in-flight': inFlight, delayed, dead, members: members ?? told },
    ...{ rate: perSecond, failed: failedPercent, busy: busyPercent, oldest },
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

/** By hand: to load Intl takes longer than everything else here. */
function count(n: number | undefined): string {
  return n === undefined ? '-' : String(n).replace(/\B(?=(\d{3})+$)/g, ',')
}
