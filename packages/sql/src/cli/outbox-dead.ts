import { CorebusError } from '@corebus/core'
import { type Command, collect, confirm, EXIT_HELP, print } from '@corebus/core/internal/cli'
import type { OutboxFilter, OutboxStore } from '../outbox/store.ts'
import { type Json, withEntryOptions, withStore } from './parts.ts'

interface Options extends Json {
  readonly id: readonly string[]
  readonly topic?: string
  readonly key?: string
  readonly all?: true
}

const RETRY_HELP = `
Gives dead messages to the relay again, with their attempts counted from 1, in
their old place: before what waits behind them, which is held no longer. Of
several filters all must match.

Examples:
  $ npx corebus outbox retry --id 01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11
  $ npx corebus outbox retry --topic orders.created
  $ npx corebus outbox retry --all
${EXIT_HELP}`

const PURGE_HELP = `
Deletes dead messages for good, after it has said how many and somebody has said
yes: y on a terminal, --yes elsewhere. What waits behind them is held no longer.
Of several filters all must match.

Examples:
  $ npx corebus outbox show 01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11 --json >kept
  $ npx corebus outbox purge --id 01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11
  $ npx corebus outbox purge --topic orders.created --yes
${EXIT_HELP}`

function choosing(command: Command): Command {
  return withEntryOptions(command)
    .option('--id <id>', 'with this id (repeatable)', collect, [])
    .option('--topic <topic>', 'to this topic')
    .option('--key <key>', 'with this key')
    .option('--all', 'without a filter: every dead message')
    .option('--json', 'the result as JSON')
}

export function retryCommand(outbox: Command): void {
  choosing(outbox.command('retry').description('give dead messages to the relay again')).addHelpText('after', RETRY_HELP).action(retry)
}

export function purgeCommand(outbox: Command): void {
  choosing(outbox.command('purge').description('delete dead messages for good'))
    .option('--yes', 'without being asked')
    .addHelpText('after', PURGE_HELP)
    .action(purge)
}

async function retry(options: Options): Promise<void> {
  const filters = chosen(options, 'retry')
  const retried = await withStore(options, async (store) => {
    const done = await sum(filters, (filter) => store.retry(filter))
    checkFound(done, options)
    return done
  })
  await print(
    options.json ? JSON.stringify({ retried }) : retried === 0 ? 'no dead messages to retry' : `${retried} given to the relay again`,
  )
}

async function purge(options: Options & { readonly yes?: true }): Promise<void> {
  const filters = chosen(options, 'delete')
  const purged = await withStore(options, (store) => purgeIn(store, filters, options))
  await print(options.json ? JSON.stringify({ purged }) : purged === 0 ? 'no dead messages to delete' : `${purged} deleted`)
}

async function purgeIn(store: OutboxStore, filters: readonly OutboxFilter[], options: Options & { readonly yes?: true }): Promise<number> {
  const dead = await sum(filters, (filter) => store.countDead(filter))
  checkFound(dead, options)
  if (dead === 0) return 0
  await confirm(`${dead} dead ${dead === 1 ? 'message' : 'messages'} would be deleted for good`, { yes: options.yes === true })
  return sum(filters, (filter) => store.purge(filter))
}

/** One filter for each id. @throws CorebusError USAGE without a filter and without --all, or with both */
function chosen({ id: ids, topic, key, all }: Options, what: string): readonly OutboxFilter[] {
  const rest = { ...(topic !== undefined && { topic }), ...(key !== undefined && { key }) }
  const hasFilter = ids.length > 0 || Object.keys(rest).length > 0
  if (!hasFilter && !all)
    throw new CorebusError('USAGE', `which dead messages? Choose with --id, --topic or --key, or say --all to ${what} every one of them`)
  if (hasFilter && all) throw new CorebusError('USAGE', '--all and a filter (--id, --topic, --key) contradict each other: give one of them')
  return ids.length === 0 ? [rest] : [...new Set(ids)].map((id) => ({ ...rest, id }))
}

function checkFound(found: number, { id: ids }: Options): void {
  if (found === 0 && ids.length > 0) throw new CorebusError('NOT_FOUND', `there is no dead message with the id ${ids.join(' or ')}`)
}

async function sum(filters: readonly OutboxFilter[], of: (filter: OutboxFilter) => Promise<number>): Promise<number> {
  let all = 0
  for (const filter of filters) all += await of(filter)
  return all
}
