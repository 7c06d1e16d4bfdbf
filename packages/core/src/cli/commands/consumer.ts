import { dirname } from 'node:path'
import { type Command, Option } from 'commander'
import { packageName } from '../../config/place.ts'
import { createLogger, levelIn } from '../../observe/logger.ts'
import { onSignals } from '../../process/signals.ts'
import { type Common, collect, wholeNumber } from '../common.ts'
import { EXIT_HELP } from '../exit.ts'
import { findEntry, findTsconfig } from '../host/entry.ts'
import { type HealthAddress, healthAddress, portNumber, serveHealth } from '../host/health-server.ts'
import { standalone, supervised } from '../host/host.ts'
import { shown } from '../host/place.ts'
import { runConsumer } from '../host/run-consumer.ts'
import { Supervisor } from '../host/supervisor.ts'
import { watchFolder } from '../host/watch.ts'
import { findProject, loadEnv } from '../project.ts'

interface Options extends Common {
  readonly topic: readonly string[]
  readonly group: readonly string[]
  readonly concurrency?: number
  readonly workers?: number
  readonly watch?: true
  readonly tsconfig?: string
  readonly healthPort?: number
  readonly healthHost?: string
  /** Set by the supervisor that forked this process. */
  readonly below?: 'workers' | 'watch'
}

const HELP = `
The entry is the file that registers the handlers and does nothing else: the
one given, else "corebus": { "entry": ... } in package.json, else
src/consumer.ts, else src/main.ts. TypeScript needs the package tsx.

Without --topic and --group every handler runs that does not say
autoStart: false; with them those for the topics and groups named.

SIGTERM and Ctrl-C stop it: running handlers finish, what is left goes back to
the broker. A second signal exits at once.

Examples:
  $ npx corebus consumer
  $ npx corebus consumer --topic orders.created --topic orders.updated
  $ npx corebus consumer src/handlers.ts --group billing --concurrency 50
  $ npx corebus consumer --workers 4 --health-port 9000
  $ npx corebus consumer --watch
${EXIT_HELP}`

export function define(command: Command, onEnd: (exitCode: number) => void): void {
  command
    .option('--topic <topic>', 'only handlers of this topic (repeatable)', collect, [])
    .option('--group <group>', 'only handlers of this group (repeatable)', collect, [])
    .option('--concurrency <n>', "handlers at once per group, instead of the app's", wholeNumber)
    .option('--workers <n>', 'so many processes; one that dies is started again, with back-off', wholeNumber)
    .option('--tsconfig <file>', 'for TypeScript: instead of the nearest tsconfig.json above the entry')
    .option('--watch', "restart when code in the entry's folder changes")
    .option('--health-port <port>', 'answer /livez and /readyz there (HEALTH_PORT)', portNumber)
    .option('--health-host <host>', 'and on this address (HEALTH_HOST, default 127.0.0.1)')
    .addOption(new Option('--below <supervisor>').hideHelp())
    .addHelpText('after', HELP)
    .action(async (entry: string | undefined, options: Options) => {
      onEnd(await consume(entry, options))
    })
}

async function consume(given: string | undefined, options: Options): Promise<number> {
  const { verbose = false, topic: topics, group: groups, concurrency, below } = options
  const project = findProject()
  // Workers read the files themselves: after a change they would find the old values set already.
  const originalEnv = { ...process.env }
  loadEnv(project, options.envFile)
  const entry = findEntry(given, project)
  const tsconfig = options.tsconfig === undefined ? undefined : findTsconfig(options.tsconfig, entry)
  const address = healthAddress({ port: options.healthPort, host: options.healthHost })
  if (below === undefined && (options.workers !== undefined || options.watch)) return supervise(entry, options, address, originalEnv)
  const host = below === undefined ? standalone({ address, verbose }) : supervised({ verbose })
  return runConsumer({ entry, tsconfig, topics, groups, concurrency, worker: below === 'workers', host })
}

async function supervise(entry: string, options: Options, address: HealthAddress | undefined, env: NodeJS.ProcessEnv): Promise<number> {
  const logger = createLogger({
    level: levelIn(process.env),
    service: process.env.SERVICE_NAME ?? process.env.API_NAME ?? packageName(process.cwd()) ?? 'core',
  })
  const watching = options.watch === true
  const supervisor = new Supervisor({ count: options.workers ?? 1, args: workerArgs(entry, options), env, logger, watching })
  if (address) {
    const at = await serveHealth(address, () => supervisor.health())
    logger.info({ at }, `health at ${at}/livez and ${at}/readyz`)
  }
  onSignals(
    () => supervisor.stop(),
    () => supervisor.kill(),
  )
  if (watching)
    watchFolder(dirname(entry), (file) => {
      logger.info({ file }, `${shown(file)} has changed: restarting`)
      supervisor.replace()
    })
  return supervisor.run()
}

function workerArgs(entry: string, { topic, group, concurrency, tsconfig, envFile, verbose, workers }: Options): readonly string[] {
  return [
    'consumer',
    ...topic.flatMap((name) => ['--topic', name]),
    ...group.flatMap((name) => ['--group', name]),
    ...(concurrency === undefined ? [] : ['--concurrency', String(concurrency)]),
    ...(tsconfig === undefined ? [] : ['--tsconfig', tsconfig]),
    ...envFile.flatMap((file) => ['--env-file', file]),
    ...(verbose ? ['--verbose'] : []),
    '--below',
    workers === undefined ? 'watch' : 'workers',
    '--',
    entry,
  ]
}
