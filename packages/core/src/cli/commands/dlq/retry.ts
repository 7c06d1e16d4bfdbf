import { styleText } from 'node:util'
import type { Command } from 'commander'
import { withBroker } from '../../broker.ts'
import { wholeNumber } from '../../common.ts'
import { EXIT_HELP } from '../../exit.ts'
import { print } from '../../report.ts'
import { checkFound, chosen, type Filtered, filtered, nothing } from './filter.ts'

interface Options extends Filtered {
  readonly rate?: number
  readonly all?: true
  readonly json?: true
}

const HELP = `
Hands letters back to the group that had given up on them, and to no other, with
their attempts counted from 1 again; one that fails again comes back once. Of
several filters all must match.

Examples:
  $ npx corebus dlq retry --id 01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11
  $ npx corebus dlq retry --topic payment-events --rate 50
  $ npx corebus dlq retry --all
${EXIT_HELP}`

export function retryCommand(dlq: Command): void {
  filtered(dlq.command('retry').description('hand them back to their groups'))
    .option('--rate <n>', 'at most so many a second', wholeNumber)
    .option('--all', 'without a filter: every dead letter')
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(retry)
}

async function retry(options: Options): Promise<void> {
  const filter = chosen(options, 'hand back')
  const { rate, json } = options
  const { replayed, elsewhere } = await withBroker('dlq', options, async ({ core, driver: { admin } }) => {
    const count = await core.replayDeadLetters(admin, filter, { ...(rate !== undefined && { perSecond: rate }), ...progress() })
    return { replayed: count, elsewhere: await checkFound(admin, count, filter) }
  })
  const asJson = json && JSON.stringify({ replayed })
  await print(replayed === 0 ? nothing(elsewhere, 'no dead letters to hand back', asJson) : (asJson ?? `${replayed} handed back`))
}

/** On a terminal, one line that counts. */
function progress(): { readonly onProgress?: (replayed: number) => void } {
  const { stderr } = process
  if (!stderr.isTTY) return {}
  return { onProgress: (replayed) => stderr.write(`\r${styleText('dim', `${replayed} handed back`, { stream: stderr })}\x1b[K\r`) }
}
