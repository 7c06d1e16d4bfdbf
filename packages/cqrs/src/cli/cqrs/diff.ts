import { CorebusError } from '@corebus/core'
import { type Column, type Command, count, EXIT_HELP, print, table } from '@corebus/core/internal/cli'
import { withEntryOptions } from '@corebus/sql/internal/cli'
import { diff, fix } from '../../replication/diff.ts'
import { differencesFile, rangesFile, rowsFile } from '../../replication/diff-files.ts'
import type { Difference } from '../../replication/differences.ts'
import { reading } from '../../replication/ndjson.ts'
import type { BoundMaster, Workings } from '../../replication/workings.ts'
import { showing } from '../showing.ts'
import { type Json, linesOf, masterIn, replicaIn, stopping, withReplication, writeLines } from './parts.ts'

interface Options extends Json {
  readonly replica?: string
  readonly deep?: true
  readonly fix?: true
  readonly ranges?: true
  readonly against?: string
}

const SHOWN = 100

const HELP = `
Compares a master with a replica: hashes of parts of the keys first, and rows of
those parts alone that differ. By default it compares revisions; --deep compares
what is in the rows too, and finds what was written without track. --fix records
each row that differs anew, above both revisions; services go on meanwhile.

Where one entry has both, it compares the two. Two databases that cannot see each
other are compared by files: --ranges at the master, --against at the replica
with that, and --against at the master with what that gave.

It ends with exit code 1 where rows differ and --fix is not said.

Examples:
  $ npx corebus cqrs diff produto --deep --fix
  $ npx corebus cqrs diff produto --ranges > ranges.ndjson
  $ npx corebus cqrs diff produto --against ranges.ndjson > rows.ndjson
  $ npx corebus cqrs diff produto --against rows.ndjson --fix
${EXIT_HELP}`

const DELETED_HELP = `
The rows of a replica that its master does not have. --fix records their deletes.
It takes the same files as npx corebus cqrs diff.

Examples:
  $ npx corebus cqrs deleted produto --fix
${EXIT_HELP}`

export function diffCommand(cqrs: Command): void {
  options(cqrs.command('diff <master>').description('what differs between a master and a replica'))
    .option('--deep', 'compare the rows too, and not their revisions alone')
    .option('--ranges', 'print hashes of the master, for --against at the replica')
    .addHelpText('after', HELP)
    .action((id: string, given: Options) => run(id, given, () => true))
}

export function deletedCommand(cqrs: Command): void {
  options(cqrs.command('deleted <master>').description('rows of a replica that its master does not have'))
    .addHelpText('after', DELETED_HELP)
    .action((id: string, given: Options) => run(id, given, ({ why, master }) => why === 'extra' || (why === 'unknown' && master === null)))
}

function options(command: Command): Command {
  return withEntryOptions(command)
    .option('--replica <name>', 'of this one, where the master has several here')
    .option('--against <file>', 'what the other side has written; - is the standard input')
    .option('--fix', 'record what differs anew')
    .option('--json', 'as JSON')
}

async function run(id: string, given: Options, isWanted: (one: Difference) => boolean): Promise<void> {
  await withReplication(given, async (all) => {
    if (given.ranges) return writeLines(await rangesFile(masterIn(all, id), { deep: given.deep === true }), undefined)
    const found = given.against === undefined ? await compared(all, id, given) : await comparedByFile(all, id, given.against)
    // The replica's answer has been written.
    if (!found) return
    await say(masterOf(all, id, given), found.filter(isWanted), given)
  })
}

const masterOf = (all: readonly Workings[], id: string, { fix: mends }: Options): BoundMaster | undefined =>
  mends ? masterIn(all, id) : undefined

async function compared(all: readonly Workings[], id: string, { replica, deep }: Options): Promise<readonly Difference[]> {
  const show = showing()
  try {
    return await diff(masterIn(all, id), replicaIn(all, replica ?? id), {
      deep: deep === true,
      signal: stopping('nothing was changed'),
      onProgress: ({ rows, differing }) => show.at(`${count(rows)} rows, ${count(differing)} differ`),
    })
  } finally {
    show.end()
  }
}

async function comparedByFile(all: readonly Workings[], id: string, file: string): Promise<readonly Difference[] | undefined> {
  const read = await reading(linesOf(file), ['ranges', 'rows'])
  if (read.head.corebus === 'rows') return differencesFile(masterIn(all, id), read)
  await writeLines(rowsFile(replicaIn(all, id), read), undefined)
  return undefined
}

const COLUMNS: readonly Column[] = [
  { title: 'KEY', shrinks: true },
  { title: 'WHY' },
  { title: 'MASTER', align: 'right' },
  { title: 'REPLICA', align: 'right' },
  { title: 'FIELDS', gives: true },
]

async function say(master: BoundMaster | undefined, found: readonly Difference[], { json }: Options): Promise<void> {
  if (master) await fix(master, found)
  if (json) await print(JSON.stringify({ differences: found, fixed: master ? found.length : 0 }))
  else if (found.length === 0) await print('nothing differs')
  else await print(wordsOf(found, master !== undefined))
  if (found.length > 0 && !master) throw new CorebusError('DIFFERENCES', `${count(found.length)} rows differ: --fix records them anew`)
}

function wordsOf(found: readonly Difference[], isMended: boolean): string {
  const rows = found
    .slice(0, SHOWN)
    .map(({ key, why, master, replica, fields = [] }) => [key, why, text(master), text(replica), fields.join(', ')])
  const more = found.length > SHOWN ? [`and ${count(found.length - SHOWN)} more: --json has all of them`] : []
  const mended = isMended ? [`${count(found.length)} rows are on their way anew`] : []
  return [table(COLUMNS, rows), ...more, ...mended].join('\n')
}

const text = (revision: number | null): string => (revision === null ? '-' : String(revision))
