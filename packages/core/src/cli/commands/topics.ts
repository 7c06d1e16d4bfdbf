import type { Command } from 'commander'
import type { Depth, Driver } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { figuresOf, type GroupFigures } from '../../operations/group-figures.ts'
import { withBroker } from '../broker.ts'
import { type Common, common } from '../common.ts'
import { EXIT_HELP } from '../exit.ts'
import { type Condition, conditionOf } from '../fail-if.ts'
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
(seconds), compared by >, >=, <, <= or = with a number.

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
      const broken = rows.flatMap((row) => brokenBy(row, conditions))
      if (broken.length > 0) throw new CorebusError('FAIL_IF', broken.join('\n'))
    })
}

async function rowsOf(driver: Driver): Promise<readonly Row[]> {
  const { admin } = driver
  const topics = [...(await admin.topics())].sort((a, b) => (a.topic < b.topic ? -1 : 1))
  const all = [...new Set(topics.flatMap(({ groups }) => groups))]
  const figures = new Map(await Promise.all(all.map(async (group) => [group, await figuresOf(driver, group)] as const)))
  const rows: Row[] = []
  for (const { topic, groups, kept } of topics) {
    const known = kept === undefined ? {} : { kept }
    if (groups.length === 0) rows.push({ topic, group: null, ...known })
    for (const group of [...groups].sort())
      rows.push({ topic, group, ...known, ...(await admin.depth(topic, group)), ...figures.get(group) })
  }
  return rows
}

function brokenBy(row: Row, conditions: readonly { readonly text: string; readonly holds: Condition }[]): readonly string[] {
  if (row.group === null) return []
  const { ready, inFlight, delayed, dead, members, perSecond, failedPercent, busyPercent, oldestMs } = row
  const oldest = oldestMs === undefined ? undefined : oldestMs / 1_000
  const figures = {
    ready,
    'in-flight': inFlight,
    delayed,
    dead,
    members,
    rate: perSecond,
    failed: failedPercent,
    busy: busyPercent,
    oldest,
  }
  return conditions.flatMap(({ text, holds }) => {
    const what = holds(figures)
    return what === undefined ? [] : `topic ${row.topic}, group ${row.group}: ${what} (--fail-if '${text}')`
  })
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
    rows.map(({ topic, group, kept, ready = kept, inFlight, delayed, dead, members, perSecond, failedPercent, busyPercent }) => [
      topic,
      group ?? '(none yet)',
      ...[ready, inFlight, delayed, dead, members].map(count),
      perSecond === undefined ? '-' : perSecond.toFixed(1),
      percent(failedPercent),
      percent(busyPercent),
    ]),
  )
}

function percent(share: number | undefined): string {
  return share === undefined ? '-' : `${share < 10 && share > 0 ? share.toFixed(1) : Math.round(share)}%`
}

/** By hand: to load Intl takes longer than everything else here. */
function count(n: number | undefined): string {
  return n === undefined ? '-' : String(n).replace(/\B(?=(\d{3})+$)/g, ',')
}
