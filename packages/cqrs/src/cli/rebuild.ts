import { CorebusError } from '@corebus/core'
import { type Command, count, EXIT_HELP, onSignals, print, say } from '@corebus/core/internal/cli'
import { withEntryOptions } from '@corebus/sql/internal/cli'
import { type Rebuilt, rebuild } from '../projection/rebuild.ts'
import { checkTables, type Json, withName, withProjections } from './parts.ts'
import { showing } from './showing.ts'

interface Options extends Json {
  readonly from: string
}

const SOURCES = ['journal', 'broker'] as const

const HELP = `
Fills a second set of collections from the journal, goes on with what arrives
meanwhile, and changes over to it. Readers see one set or the other, whole;
consumers go on, but for a moment at the change.

--from broker first adds to the journal what the broker still has of the
projection's events: for one that is new, or handles events that nobody has
handled so far. Kafka keeps as much as its retention says, Redis and SQLite
what their groups have not handled and a day at least; RabbitMQ keeps nothing.

SIGTERM and Ctrl-C end it: readers are shown what they were shown before, and so
they are when it is killed. A second run begins anew. Only one runs at a time.

Examples:
  $ npx corebus projections rebuild orders
  $ npx corebus projections rebuild orders --from broker
  $ npx corebus projections rebuild orders --json | jq .heldMs
${EXIT_HELP}`

export function rebuildCommand(projections: Command): void {
  withEntryOptions(projections.command('rebuild <name>').description('make its documents anew, and change over to them'))
    .option('--from <source>', 'journal, or broker: add what the broker still has first', 'journal')
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(run)
}

async function run(name: string, { from: wanted, ...options }: Options): Promise<void> {
  const from = SOURCES.find((one) => one === wanted)
  if (!from) throw new CorebusError('USAGE', `--from ${wanted}: there are ${SOURCES.join(' and ')}`)
  const startedAt = performance.now()
  const rebuilt = await withProjections(options, async (all) => {
    const [projection, workings] = withName(all, name)
    await checkTables(workings)
    const stop = new AbortController()
    onSignals((why) => {
      say(`${why}: the rebuild is given up, and readers are shown what they were shown before. A second signal exits at once`)
      stop.abort(new CorebusError('CANCELLED', `${why} has ended the rebuild: readers are shown what they were shown before`))
    })
    const show = showing()
    try {
      return await rebuild(projection, workings, {
        from,
        signal: stop.signal,
        onFetched: ({ read, added }) => show.at(`${count(read)} messages of the broker, ${count(added)} of them new`),
        onProgress: ({ done, total }) => show.at(`${count(done)} of ${count(total)} events`),
      })
    } finally {
      show.end()
    }
  })
  await print(options.json ? JSON.stringify({ name, ...rebuilt }) : words(name, rebuilt, performance.now() - startedAt))
}

function words(name: string, { events, generation, heldMs }: Rebuilt, tookMs: number): string {
  const took = tookMs < 10_000 ? `${Math.round(tookMs)} ms` : `${Math.round(tookMs / 1_000)} s`
  return `${name} is rebuilt from ${count(events)} events in ${took}: generation ${generation}. Its consumers waited ${Math.ceil(heldMs)} ms`
}
