import type { Messaging } from '@corebus/core'
import {
  type Command,
  exitHelp,
  filesOf,
  givenTo,
  healthAddress,
  portNumber,
  runHosted,
  standalone,
  type WithEntry,
} from '@corebus/core/internal/cli'
import { tablesOf } from '../outbox/tables.ts'
import { watchRelay } from './heartbeat.ts'
import { checkTables, outboxIn, withEntryOptions } from './parts.ts'

interface Options extends WithEntry {
  readonly healthPort?: number
  readonly healthHost?: string
}

const HELP = `
Publishes what is in the outbox, and runs no handlers and no schedules. Any
number of relays may run, beside those in other processes; an outbox that says
relay: false leaves all of it to them.

SIGTERM and Ctrl-C stop it: what is being published is confirmed and removed.
A second signal exits at once: then some of it may be published once more.

Examples:
  $ npx corebus outbox relay
  $ npx corebus outbox relay --entry src/messaging.ts --health-port 9000
${exitHelp('the relay stands still although rows are due (stalledMs)')}`

export function relayCommand(outbox: Command, onEnd: (exitCode: number) => void): void {
  withEntryOptions(outbox.command('relay').description('publish what is in it, until a signal'))
    .option('--health-port <port>', 'answer /livez and /readyz there (HEALTH_PORT)', portNumber)
    .option('--health-host <host>', 'and on this address (HEALTH_HOST, default 127.0.0.1)')
    .addHelpText('after', HELP)
    .action(async (options: Options) => {
      onEnd(await relay(options))
    })
}

async function relay({ healthPort, healthHost, ...options }: Options): Promise<number> {
  const files = filesOf(options)
  const address = healthAddress({ port: healthPort, host: healthHost })
  const ending = new AbortController()
  const host = standalone({ address, verbose: options.verbose === true })
  try {
    return await runHosted({ ...files, host, begin: (messaging, stuck) => begin(messaging, stuck, ending.signal) })
  } finally {
    ending.abort()
  }
}

async function begin(messaging: Messaging, onStuck: (what: string) => void, signal: AbortSignal): Promise<void> {
  const outbox = outboxIn(givenTo(messaging))
  const [database, { logger, settings }] = [outbox.database(), messaging]
  const { name, capabilities } = await messaging.driver()
  await checkTables(outbox)
  if (!capabilities.durable) logger.warn('this broker ends with this process, and no other process can reach it: for tests')
  const relaying = outbox.relay()
  await relaying.claim()
  relaying.start()
  const table = outbox.feature.name
  logger.info({ table, broker: name }, `outbox relay started: pid ${process.pid}, from ${table} in ${database.where} to ${name}`)
  const isWell = (): boolean => messaging.health().ready
  const { stalledMs } = settings
  // Ends with the signal, and never rejects: what the database says is its answer.
  void watchRelay({ relay: relaying, database, tables: tablesOf(table), logger, stalledMs, isWell, onStuck }, signal)
}
