import type { Command } from 'commander'
import type { Admin, DeadLetter, DeadLetterFilter } from '../../../driver.ts'
import { countDead } from '../../../operations/dead-count.ts'
import { checkKnown } from '../../../operations/known.ts'
import { eachPage } from '../../../operations/letter-pages.ts'
import { lettersElsewhere } from '../../../operations/letters-elsewhere.ts'
import { withBroker } from '../../broker.ts'
import { wholeNumber } from '../../common.ts'
import { EXIT_HELP } from '../../exit.ts'
import { JsonList } from '../../json-list.ts'
import { asJson, asTable, LetterTable } from '../../letters.ts'
import { print, say, write } from '../../report.ts'
import { type Filtered, filtered, filterOf, nothing } from './filter.ts'

interface Options extends Filtered {
  readonly limit?: number
  readonly after?: string
  readonly json?: true
}

/** So many are shown on a terminal, the oldest first. Whoever reads them from a pipe looks for something in all of them. */
const SHOWN = 100

const HELP = `
Oldest first: 100 on a terminal, all of them elsewhere (on RabbitMQ more than
500 come in no order). Where there are more it says what --after goes on with.
It changes nothing, however often. Of several filters all must match. --json is
{ "letters": [...], "next": "..." }, where next is what --after takes, and left
out when there are no more.

Examples:
  $ npx corebus dlq list
  $ npx corebus dlq list --topic payment-events --group order-service
  $ npx corebus dlq list --limit 20
  $ npx corebus dlq list | grep 'card declined'
  $ npx corebus dlq list --json | jq -r '.letters[].id'
${EXIT_HELP}`

export function listCommand(dlq: Command): void {
  filtered(dlq.command('list').description('show them, oldest first'))
    .option('--limit <n>', 'so many at most', wholeNumber)
    .option('--after <cursor>', 'go on behind a list that had a limit, with the same filter')
    .option('--json', 'as JSON, with bodies and stacks')
    .addHelpText('after', HELP)
    .action(list)
}

async function list(options: Options): Promise<void> {
  const limit = options.limit ?? shownHere(options.json === true, process.stdout.isTTY)
  await withBroker('dlq', options, ({ driver: { admin } }) =>
    limit === undefined ? listAll(admin, options) : listSome(admin, options, limit),
  )
}

async function listSome(admin: Admin, options: Options, limit: number): Promise<void> {
  const { after, json } = options
  const filter = filterOf(options)
  const { letters, next } = await admin.deadLetters(filter, { limit, ...(after !== undefined && { after }) })
  const asText = json && JSON.stringify({ letters: letters.map(asJson), ...(next !== undefined && { next }) })
  if (letters.length === 0) return print(nothing(await elsewhereOf(admin, filter), 'no dead letters', asText))
  if (asText !== undefined) return print(asText)
  const more = next === undefined ? undefined : { next, count: await countMore(admin, filter, letters, after) }
  await print(listed(letters, more, Date.now()))
}

/** Undefined where some were passed over that nobody has counted. */
async function countMore(
  admin: Admin,
  filter: DeadLetterFilter,
  letters: readonly DeadLetter[],
  after?: string,
): Promise<number | undefined> {
  return after === undefined ? (await countDead(admin, filter, letters)) - letters.length : undefined
}

async function listAll(admin: Admin, options: Options): Promise<void> {
  const filter = filterOf(options)
  const json = new JsonList('{"letters":')
  const table = new LetterTable(Date.now())
  let isEmpty = true
  const show = (letters: readonly DeadLetter[]): Promise<boolean> => {
    isEmpty = false
    return options.json ? json.add(letters.map(asJson)) : write(`${table.page(letters)}\n`)
  }
  await eachPage(admin, filter, show, options)
  const elsewhere = isEmpty ? await elsewhereOf(admin, filter) : []
  if (options.json) await json.end('}')
  if (!isEmpty) return
  if (options.json) for (const line of elsewhere) say(line)
  else await print(nothing(elsewhere, 'no dead letters'))
}

async function elsewhereOf(admin: Admin, filter: DeadLetterFilter): Promise<readonly string[]> {
  await checkKnown(admin, filter)
  return lettersElsewhere(admin, filter)
}

/** Undefined is all. */
export function shownHere(json: boolean, isTerminal: boolean): number | undefined {
  return isTerminal && !json ? SHOWN : undefined
}

interface More {
  readonly next: string
  readonly count: number | undefined
}

export function listed(letters: readonly DeadLetter[], more: More | undefined, now: number, width?: number): string {
  if (letters.length === 0) return 'no dead letters'
  const text = asTable(letters, now, width)
  if (!more) return text
  const how = more.count === undefined || more.count < 1 ? 'and more' : `and ${more.count} more`
  return `${text}\n${how}: go on with --after ${more.next}`
}
