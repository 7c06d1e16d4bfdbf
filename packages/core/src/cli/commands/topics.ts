import type { Command } from 'commander'
import type { Admin, Depth } from '../../driver.ts'
import { withBroker } from '../broker.ts'
import { type Common, common } from '../common.ts'
import { EXIT_HELP } from '../exit.ts'
import { print } from '../report.ts'
import { table } from '../table.ts'

interface Options extends Common {
  readonly json?: true
}

/** One group of one topic. A topic that no group reads has a row without one: what it keeps waits for the first. */
interface Row extends Partial<Depth> {
  readonly topic: string
  readonly group: string | null
  readonly kept?: number
}

const HELP = `
READY      waiting to be handed out
IN FLIGHT  handed out and not settled
DELAYED    waiting for their retry
DEAD       in the dead letters

The broker is the one that .env and the environment name; what the service's
code says is not seen.

Examples:
  $ npx corebus topics
  $ npx corebus topics --json | jq '.[] | select(.dead > 0)'
${EXIT_HELP}`

export function topicsCommand(program: Command): void {
  common(program.command('topics').description('topics, their groups, and what waits for each'))
    .option('--json', 'as JSON, with everything the broker says')
    .addHelpText('after', HELP)
    .action(async (options: Options) => {
      const rows = await withBroker('core topics', options, ({ driver }) => rowsOf(driver.admin))
      await print(options.json ? JSON.stringify(rows) : asTable(rows))
    })
}

async function rowsOf(admin: Admin): Promise<readonly Row[]> {
  const topics = [...(await admin.topics())].sort((a, b) => (a.topic < b.topic ? -1 : 1))
  const rows: Row[] = []
  for (const { topic, groups, kept } of topics) {
    const known = kept === undefined ? {} : { kept }
    if (groups.length === 0) rows.push({ topic, group: null, ...known })
    for (const group of [...groups].sort()) rows.push({ topic, group, ...known, ...(await admin.depth(topic, group)) })
  }
  return rows
}

function asTable(rows: readonly Row[]): string {
  if (rows.length === 0) return 'no topics yet'
  const columns = [
    { title: 'TOPIC', shrinks: true },
    { title: 'GROUP', shrinks: true },
    ...['READY', 'IN FLIGHT', 'DELAYED', 'DEAD'].map((title) => ({ title, align: 'right' as const })),
  ] as const
  return table(
    columns,
    rows.map(({ topic, group, kept, ready = kept, inFlight, delayed, dead }) => [
      topic,
      group ?? '(none yet)',
      count(ready),
      count(inFlight),
      count(delayed),
      count(dead),
    ]),
  )
}

/** By hand: to load Intl takes longer than everything else here. */
function count(n: number | undefined): string {
  return n === undefined ? '-' : String(n).replace(/\B(?=(\d{3})+$)/g, ',')
}
