import { CorebusError } from '@corebus/core'
import { type Command, count, EXIT_HELP, print, wholeNumber } from '@corebus/core/internal/cli'
import { withEntryOptions } from '@corebus/sql/internal/cli'
import type { Row } from '../../replication/rows.ts'
import { sync } from '../../replication/sync.ts'
import { bar, showing } from '../showing.ts'
import { type Json, masterIn, stopping, withReplication } from './parts.ts'

interface Options extends Json {
  readonly filter?: string
  readonly keys?: string
  readonly to?: string
  readonly page: number
  readonly rate?: number
  readonly restart?: true
}

const HELP = `
Records the state of each row at the revision that it has, a page in a
transaction, through the outbox. Services go on: a page is locked for as long as
it takes to read it, and replicas take whichever is later. Rows that were there
before the master was get their first revision. Ended in the middle, it goes on
there the next time, unless it has --filter or --keys: then it begins anew.

Examples:
  $ npx corebus cqrs sync produto
  $ npx corebus cqrs sync produto --rate 500 --to produto_mirror
  $ npx corebus cqrs sync produto --filter '{"estoque": [0, 1]}'
  $ npx corebus cqrs sync produto --keys 12345,12346
${EXIT_HELP}`

export function syncCommand(cqrs: Command): void {
  withEntryOptions(cqrs.command('sync <master>').description('fill replicas with the rows of a master'))
    .option('--filter <json>', 'only rows with these values: {"field": value} or {"field": [values]}')
    .option('--keys <keys>', 'only these rows, with commas between them')
    .option('--to <replica>', 'for this replica alone')
    .option('--page <n>', 'rows of one transaction', wholeNumber, 500)
    .option('--rate <n>', 'so many rows a second at most', wholeNumber)
    .option('--restart', 'begin anew, where an earlier one was ended')
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(run)
}

async function run(id: string, { filter, keys, to, page, rate, restart, ...options }: Options): Promise<void> {
  const wanted = filter === undefined ? undefined : filterOf(filter)
  const show = showing()
  const synced = await withReplication(options, async (all) => {
    const isForSome = wanted !== undefined || keys !== undefined
    const signal = stopping(`what was sent is sent, and the next one ${isForSome ? 'begins anew' : 'goes on there'}`)
    try {
      return await sync(masterIn(all, id), {
        pageSize: page,
        resume: !restart,
        signal,
        onProgress: ({ sent, total }) => show.at(`${bar(sent, total)}${count(sent)} rows`),
        ...(wanted && { filter: wanted }),
        ...(keys !== undefined && { keys: keys.split(',').map((key) => key.trim()) }),
        ...(to !== undefined && { to }),
        ...(rate !== undefined && { perSecond: rate }),
      })
    } finally {
      show.end()
    }
  })
  const { sent, adopted, deleted } = synced
  const more = [
    ...(adopted > 0 ? [`${count(adopted)} rows had no revision`] : []),
    ...(deleted > 0 ? [`${count(deleted)} are not there any more, and their deletes are on their way`] : []),
  ]
  await print(
    options.json ? JSON.stringify({ master: id, ...synced }) : [`${count(sent)} rows of ${id} are on their way`, ...more].join('; '),
  )
}

/** @throws CorebusError USAGE */
function filterOf(text: string): (row: Row) => boolean {
  const wrong = () =>
    new CorebusError('USAGE', `--filter must be a JSON object of fields and values, such as {"estoque": [0, 1]}, not ${text.slice(0, 60)}`)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw wrong()
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw wrong()
  const fields = Object.entries(parsed).map(([field, value]) => [field, Array.isArray(value) ? value : [value]] as const)
  return (row) =>
    fields.every(([field, values]) => {
      if (!Object.hasOwn(row, field))
        throw new CorebusError('USAGE', `--filter names ${field}; the fields are ${Object.keys(row).join(', ')}`)
      return values.includes(row[field])
    })
}
