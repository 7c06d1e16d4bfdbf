import { styleText } from 'node:util'
import type { Command } from 'commander'
import type { DeadLetterFilter } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { withBroker } from '../broker.ts'
import { type Common, collect, common, wholeNumber } from '../common.ts'
import { EXIT_HELP } from '../exit.ts'
import { asJson, asTable } from '../letters.ts'
import { print } from '../report.ts'

interface Options extends Common {
  readonly topic?: string
  readonly group?: string
  readonly id: readonly string[]
  readonly json?: true
}

interface RetryOptions extends Options {
  readonly rate?: number
  readonly all?: true
}

/** So many are shown on a terminal, the oldest first. */
const SHOWN = 100

const HELP = `
list changes nothing, however often. retry hands letters back to the group that
had given up on them, and to no other, with their attempts counted from 1 again;
one that fails again comes back once. Of several filters all must match.
The broker is the one that .env and the environment name; what the service's
code says is not seen.
`

const LIST_HELP = `${HELP}
Examples:
  $ npx corebus dlq list
  $ npx corebus dlq list --topic payment-events --group order-service
  $ npx corebus dlq list --json | jq -r '.[].id'
${EXIT_HELP}`

const RETRY_HELP = `${HELP}
Examples:
  $ npx corebus dlq retry --id 01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11
  $ npx corebus dlq retry --topic payment-events --rate 50
  $ npx corebus dlq retry --all
${EXIT_HELP}`

export function dlqCommand(program: Command): void {
  const dlq = program.command('dlq').description('dead letters: what could not be handled').addHelpText('after', HELP)
  filtered(dlq.command('list').description('show them, oldest first'))
    .option('--json', 'all of them as JSON, with bodies and stacks')
    .addHelpText('after', LIST_HELP)
    .action(list)
  filtered(dlq.command('retry').description('hand them back to their groups'))
    .option('--rate <n>', 'at most so many a second', wholeNumber)
    .option('--all', 'without a filter: every dead letter')
    .option('--json', 'the result as JSON')
    .addHelpText('after', RETRY_HELP)
    .action(retry)
}

function filtered(command: Command): Command {
  return common(command)
    .option('--topic <topic>', 'of this topic')
    .option('--group <group>', 'of this group')
    .option('--id <id>', 'with this id (repeatable)', collect, [])
}

function filterOf({ topic, group, id }: Options): DeadLetterFilter {
  return { ...(topic !== undefined && { topic }), ...(group !== undefined && { group }), ...(id.length > 0 && { ids: id }) }
}

async function list(options: Options): Promise<void> {
  const limit = options.json ? {} : { limit: SHOWN + 1 }
  const letters = await withBroker('core dlq', options, ({ driver }) => driver.admin.deadLetters(filterOf(options), limit))
  if (options.json) return print(JSON.stringify(letters.map(asJson)))
  if (letters.length === 0) return print('no dead letters')
  const more = letters.length > SHOWN ? `\nand more: --topic, --group and --id choose, --json shows all` : ''
  await print(`${asTable(letters.slice(0, SHOWN), Date.now())}${more}`)
}

async function retry(options: RetryOptions): Promise<void> {
  const filter = filterOf(options)
  const hasFilter = Object.keys(filter).length > 0
  if (!hasFilter && !options.all)
    throw new CorebusError('USAGE', 'which dead letters? Choose with --topic, --group or --id, or say --all to hand every one of them back')
  if (hasFilter && options.all)
    throw new CorebusError('USAGE', '--all and a filter (--topic, --group, --id) contradict each other: give one of them')
  const { rate, json } = options
  const replayed = await withBroker('core dlq', options, ({ core, driver }) =>
    core.replayDeadLetters(driver.admin, filter, { ...(rate !== undefined && { perSecond: rate }), ...progress() }),
  )
  await print(json ? JSON.stringify({ replayed }) : replayed === 0 ? 'no dead letters to hand back' : `${replayed} handed back`)
  if (replayed === 0 && options.id.length > 0)
    throw new CorebusError('NOT_FOUND', `there is no dead letter with the id ${options.id.join(' or ')}`)
}

/** On a terminal, one line that counts. */
function progress(): { readonly onProgress?: (replayed: number) => void } {
  const { stderr } = process
  if (!stderr.isTTY) return {}
  return { onProgress: (replayed) => stderr.write(`\r${styleText('dim', `${replayed} handed back`, { stream: stderr })}\x1b[K\r`) }
}
