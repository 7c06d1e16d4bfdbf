import type { Command } from 'commander'
import type { DeadLetter } from '../../../driver.ts'
import { countDead } from '../../../operations/dead-count.ts'
import { checkKnown } from '../../../operations/known.ts'
import { withBroker } from '../../broker.ts'
import { wholeNumber } from '../../common.ts'
import { EXIT_HELP } from '../../exit.ts'
import { asJson, asTable } from '../../letters.ts'
import { print } from '../../report.ts'
import { type Filtered, filtered, filterOf } from './filter.ts'

interface Options extends Filtered {
  readonly limit?: number
  readonly json?: true
}

/** So many are shown on a terminal, the oldest first. Whoever reads them from a pipe looks for something in all of them. */
const SHOWN = 100

const HELP = `
Oldest first: 100 on a terminal, all of them elsewhere. It changes nothing,
however often. Of several filters all must match.

Examples:
  $ npx corebus dlq list
  $ npx corebus dlq list --topic payment-events --group order-service
  $ npx corebus dlq list --limit 20
  $ npx corebus dlq list | grep 'card declined'
  $ npx corebus dlq list --json | jq -r '.[].id'
${EXIT_HELP}`

export function listCommand(dlq: Command): void {
  filtered(dlq.command('list').description('show them, oldest first'))
    .option('--limit <n>', 'so many at most', wholeNumber)
    .option('--json', 'as JSON, with bodies and stacks')
    .addHelpText('after', HELP)
    .action(list)
}

async function list(options: Options): Promise<void> {
  const filter = filterOf(options)
  const limit = options.limit ?? shownHere(options.json === true, process.stdout.isTTY)
  const { letters, all } = await withBroker('dlq', options, async ({ driver: { admin } }) => {
    const found = await admin.deadLetters(filter, limit === undefined ? {} : { limit: limit + 1 })
    if (found.length === 0) await checkKnown(admin, filter)
    const isMore = limit !== undefined && found.length > limit
    return { letters: found.slice(0, limit), all: isMore && !options.json ? await countDead(admin, filter, found) : found.length }
  })
  await print(options.json ? JSON.stringify(letters.map(asJson)) : listed(letters, all, Date.now()))
}

/** Undefined is all. */
export function shownHere(json: boolean, isTerminal: boolean): number | undefined {
  return isTerminal && !json ? SHOWN : undefined
}

export function listed(letters: readonly DeadLetter[], all: number, now: number, width?: number): string {
  if (letters.length === 0) return 'no dead letters'
  const more = all - letters.length
  return `${asTable(letters, now, width)}${more > 0 ? `\nand ${more} more` : ''}`
}
