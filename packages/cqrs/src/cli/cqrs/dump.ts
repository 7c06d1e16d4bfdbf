import { type Command, count, EXIT_HELP, print } from '@corebus/core/internal/cli'
import { withEntryOptions } from '@corebus/sql/internal/cli'
import { dumpFile, loadFile } from '../../replication/dump.ts'
import { reading } from '../../replication/ndjson.ts'
import { showing } from '../showing.ts'
import { type Json, linesOf, masterIn, replicaIn, stopping, withReplication, writeLines } from './parts.ts'

interface DumpOptions extends Json {
  readonly output?: string
}

const DUMP_HELP = `
Writes each row of a master as a line of JSON, at the revision that it has, for
npx corebus cqrs load at a replica. Services go on meanwhile.

Examples:
  $ npx corebus cqrs dump produto | gzip > produto.ndjson.gz
${EXIT_HELP}`

const LOAD_HELP = `
Applies the lines of a dump to a replica, as if they had come as messages: what
it knows as late or later stays, so consumers go on meanwhile, and a second run
changes nothing. A file that was cut is an error, behind what could be read.

Examples:
  $ gunzip -c produto.ndjson.gz | npx corebus cqrs load produto_mirror
${EXIT_HELP}`

export function dumpCommand(cqrs: Command): void {
  withEntryOptions(cqrs.command('dump <master>').description('the rows of a master, as lines of JSON'))
    .option('-o, --output <file>', 'into this file instead of the standard output')
    .addHelpText('after', DUMP_HELP)
    .action((id: string, { output, ...options }: DumpOptions) =>
      withReplication(options, async (all) => writeLines(await dumpFile(masterIn(all, id)), output)),
    )
}

export function loadCommand(cqrs: Command): void {
  withEntryOptions(cqrs.command('load <replica> [file]').description('fill a replica with a dump'))
    .option('--json', 'the result as JSON')
    .addHelpText('after', LOAD_HELP)
    .action(load)
}

async function load(name: string, file: string | undefined, options: Json): Promise<void> {
  const show = showing()
  const loaded = await withReplication(options, async (all) => {
    try {
      return await loadFile(replicaIn(all, name), await reading(linesOf(file ?? '-'), ['dump']), {
        signal: stopping('what was loaded is loaded, and a second run changes nothing of it'),
        onProgress: ({ read }) => show.at(`${count(read)} rows`),
      })
    } finally {
      show.end()
    }
  })
  const { read, applied } = loaded
  await print(
    options.json
      ? JSON.stringify({ replica: name, ...loaded })
      : `${count(read)} rows are read, and ${count(applied)} were taken by ${name}`,
  )
}
