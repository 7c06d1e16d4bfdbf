import type { Command } from 'commander'
import { type Row, rowsOf } from '../../../operations/topic-rows.ts'
import { withBroker } from '../../broker.ts'
import { type Common, common } from '../../common.ts'
import { EXIT_HELP } from '../../exit.ts'
import { print } from '../../report.ts'
import { count, table } from '../../table.ts'

interface Options extends Common {
  readonly json?: true
}

type GroupRow = Row & { readonly group: string }

const HELP = `
WAITING  published, and not handled by the group yet: ready and in flight; what
         waits for its retry too where the broker tells
DEAD     in its dead letters
MEMBERS  processes that read it

Examples:
  $ npx corebus groups list
  $ npx corebus groups list --json | jq -r '.[] | select(.members == 0).group'
${EXIT_HELP}`

export function listGroups(groups: Command): void {
  common(groups.command('list').description('groups, the topics they read, and what waits for them'))
    .option('--json', 'as JSON, with everything the broker and the members say')
    .addHelpText('after', HELP)
    .action(async (options: Options) => {
      const rows = (await withBroker('groups', options, ({ driver }) => rowsOf(driver)))
        .filter((row): row is GroupRow => row.group !== null)
        .sort((a, b) => (a.group < b.group ? -1 : a.group > b.group ? 1 : 0))
      await print(options.json ? JSON.stringify(rows) : asTable(rows))
    })
}

function asTable(rows: readonly GroupRow[]): string {
  if (rows.length === 0) return 'no groups yet'
  const right = (title: string) => ({ title, align: 'right' as const })
  return table(
    [{ title: 'GROUP', shrinks: true }, { title: 'TOPIC', shrinks: true }, right('WAITING'), right('DEAD'), right('MEMBERS')],
    rows.map(({ group, topic, ready = 0, inFlight = 0, delayed = 0, dead, members, told }) => [
      group,
      topic,
      count(ready + inFlight + delayed),
      count(dead),
      count(members ?? told),
    ]),
  )
}
