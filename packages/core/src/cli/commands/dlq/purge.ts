import type { Command } from 'commander'
import type { Admin, DeadLetterFilter } from '../../../driver.ts'
import { countDead } from '../../../operations/dead-count.ts'
import { withBroker } from '../../broker.ts'
import { confirm } from '../../confirm.ts'
import { EXIT_HELP } from '../../exit.ts'
import { print } from '../../report.ts'
import { checkFound, chosen, type Filtered, filtered, nothing } from './filter.ts'

interface Options extends Filtered {
  readonly all?: true
  readonly yes?: true
  readonly json?: true
}

const COUNTED_EXACTLY = 500

const HELP = `
Deletes letters for good, after it has said how many and somebody has said yes:
y on a terminal, --yes elsewhere. Export them before. Of several filters all
must match.

Examples:
  $ npx corebus dlq export --topic payment-events --out letters.jsonl
  $ npx corebus dlq purge --topic payment-events --group order-service
  $ npx corebus dlq purge --id 01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11 --yes
  $ npx corebus dlq purge --all --yes
${EXIT_HELP}`

export function purgeCommand(dlq: Command): void {
  filtered(dlq.command('purge').description('delete them for good'))
    .option('--all', 'without a filter: every dead letter')
    .option('--yes', 'without being asked')
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(purge)
}

async function purge(options: Options): Promise<void> {
  const filter = chosen(options, 'delete')
  const { purged, elsewhere } = await withBroker('dlq', options, async ({ driver: { admin } }) => {
    const count = await countOf(admin, filter)
    const elsewhere = await checkFound(admin, count, filter)
    if (count === 0) return { purged: 0, elsewhere }
    await confirm(`${count} dead ${count === 1 ? 'letter' : 'letters'} would be deleted for good`, { yes: options.yes === true })
    return { purged: await admin.purge(filter), elsewhere }
  })
  const asJson = options.json && JSON.stringify({ purged })
  await print(purged === 0 ? nothing(elsewhere, 'no dead letters to delete', asJson) : (asJson ?? `${purged} deleted`))
}

async function countOf(admin: Admin, filter: DeadLetterFilter): Promise<number> {
  const { letters, next } = await admin.deadLetters(filter, { limit: COUNTED_EXACTLY })
  return next === undefined ? letters.length : countDead(admin, filter, letters)
}
