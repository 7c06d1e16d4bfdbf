import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { styleText } from 'node:util'
import { type Command, Option } from 'commander'
import { topologyError } from '../../broker/connection.ts'
import { systemClock } from '../../clock.ts'
import type { Driver, Topology } from '../../driver.ts'
import { COMMAND, CorebusError } from '../../errors.ts'
import type { Messaging } from '../../messaging.ts'
import { type Bridged, bridge } from '../../operations/bridge.ts'
import { onSignals } from '../../process/signals.ts'
import { stderrLogger } from '../broker.ts'
import { type Common, collect } from '../common.ts'
import { importCore } from '../copy.ts'
import { checkDurable } from '../durable.ts'
import { EXIT_HELP } from '../exit.ts'
import { findProject, loadEnv } from '../project.ts'
import { print } from '../report.ts'

interface Options extends Common {
  readonly from: string
  readonly to: string
  readonly topic: readonly string[]
  readonly group: string
  readonly start: 'earliest' | 'latest'
  readonly untilEmpty?: true
  readonly json?: true
}

const SAID_EVERY_MS = 10_000
const SHOWN_EVERY_MS = 500

const HELP = `
Copies what is published to topics of one broker to the same topics of another,
with ids, keys, headers and bytes as they are, in order per key. It is a group
of the first broker: stopped or killed it goes on where it was. What a crash
leaves in doubt is copied again, with the same id. What the second broker would
never take goes to the dead letters of that group.

An address is a URL, or a file for SQLite. Users, passwords and certificates
that are not in it come from the usual variables with FROM_ or TO_ before them,
such as TO_MESSAGING_PASSWORD or FROM_MESSAGING_TLS_CA.

Leave it running until nobody publishes to the first broker any more.

Examples:
  $ npx corebus bridge --from redis://old:6379 --to kafka://new:9092 \\
      --topic user-events --topic order-events
  $ npx corebus bridge --from .core/messages.db --to amqp://new --topic orders \\
      --until-empty
${EXIT_HELP}`

export function define(command: Command): void {
  command
    .requiredOption('--from <url>', 'the broker that is read')
    .requiredOption('--to <url>', 'the broker that is published to')
    .option('--topic <topic>', 'a topic to copy (repeatable)', collect, [])
    .option('--group <group>', 'the group on the first broker that knows how far it is', 'corebus-bridge')
    .addOption(
      new Option('--start <where>', 'where a new group begins on a broker that keeps what was handled')
        .choices(['earliest', 'latest'])
        .default('earliest'),
    )
    .option('--until-empty', 'stop when nothing is left')
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(run)
}

async function run(options: Options): Promise<void> {
  const { topic: topics, group, from, to, json } = options
  if (topics.length === 0) throw new CorebusError('USAGE', 'which topics? Name each with --topic')
  if (from === to) throw new CorebusError('USAGE', '--from and --to are the same: every message would be copied again and again')
  const project = findProject()
  loadEnv(project, options.envFile)
  const core = await importCore(join(project.folder, 'package.json'))
  const logger = stderrLogger(options.verbose === true)
  const at = (url: string, side: string) =>
    core.createMessaging({ url, service: group, env: envOf(side), logger, publish: { timeoutMs: 30_000 } })
  const [source, target] = [at(from, 'FROM_'), at(to, 'TO_')]
  if (nameOf(source) === nameOf(target))
    throw new CorebusError(
      'USAGE',
      `--from and --to are the same broker, ${source.settings.where}: every message would be copied again and again`,
    )
  const stop = new AbortController()
  onSignals(() => stop.abort())
  const bridged: Bridged = { copied: 0, refused: 0 }
  try {
    const [reading, publishing] = await Promise.all([source.driver(), target.driver()])
    for (const driver of [reading, publishing]) checkDurable(`${COMMAND} bridge`, driver)
    await make(publishing, { topics, groups: [] })
    await make(reading, { topics, groups: topics.map((topic) => ({ topic, group, delays: [], deadLetter: {} })) })
    if (!reading.capabilities.keepsHistory)
      logger.info(
        `the first broker keeps no history: where a topic has other groups, ${group} begins with what is published from its first start on; what waits for them stays theirs`,
      )
    const show = showing(bridged)
    try {
      await bridge({
        source: reading,
        target: publishing,
        topics,
        group,
        from: options.start,
        clock: systemClock,
        signal: stop.signal,
        untilEmpty: options.untilEmpty === true,
        onTrouble: (what) => logger.warn(what),
        bridged,
        between: { source: nameOf(source), target: nameOf(target) },
      })
    } finally {
      show.end()
    }
  } finally {
    await Promise.all([source.close(), target.close()])
  }
  await print(json ? JSON.stringify(bridged) : words(bridged, group))
}

/**
 * The same for every way to write its address: a file by its full path, a server by its host, port and what it keeps apart there. Two names of one
 * host are two; what a bridge brought is marked, so that it is not brought again.
 */
function nameOf({ settings: { broker, where } }: Messaging): string {
  const place = broker === 'sqlite' ? realpathOf(where) : addressOf(where)
  return `${broker}-${createHash('sha256').update(place).digest('hex').slice(0, 16)}`
}

function realpathOf(file: string): string {
  for (const known of [() => realpathSync(file), () => join(realpathSync(dirname(file)), basename(file))])
    try {
      return known()
    } catch {
      // The file, or its folder, is made when it is opened.
    }
  return resolve(file)
}

const PORTS: Readonly<Record<string, string>> = { 'redis:': '6379', 'rediss:': '6379', 'amqp:': '5672', 'amqps:': '5671' }

function addressOf(where: string): string {
  // The address of Kafka is a list of servers.
  if (!where.includes('://') || !URL.canParse(where)) return where.toLowerCase().split(',').sort().join()
  const { protocol, hostname, port, pathname } = new URL(where)
  const host = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname) ? 'localhost' : hostname.toLowerCase()
  const apart = pathname === '/' || pathname === '' || pathname === '/0' ? '' : pathname
  return `${protocol.replace(/s:$/, ':')}//${host}:${port || PORTS[protocol]}${apart}`
}

/** Only what is meant for one side: both have the same variables. */
function envOf(side: string): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).flatMap(([name, value]) => (name.startsWith(side) ? [[name.slice(side.length), value]] : []))
  return Object.fromEntries(own)
}

async function make(driver: Driver, topology: Topology): Promise<void> {
  const differences = await driver.ensure(topology, 'create')
  if (differences.length > 0) throw topologyError(differences, 'create')
}

/** On a terminal one line that counts; elsewhere a line now and then. */
function showing(bridged: Bridged): { end(): void } {
  const { stderr } = process
  let before = 0
  const say = () => {
    if (stderr.isTTY) stderr.write(`\r${styleText('dim', `${bridged.copied} copied`, { stream: stderr })}\x1b[K\r`)
    else if (bridged.copied !== before) stderr.write(`${bridged.copied} copied\n`)
    before = bridged.copied
  }
  const timer = setInterval(say, stderr.isTTY ? SHOWN_EVERY_MS : SAID_EVERY_MS)
  return { end: () => clearInterval(timer) }
}

function words({ copied, refused, there = 0 }: Bridged, group: string): string {
  const said = `${copied} copied${there > 0 ? `, ${there} were there before: they came from there` : ''}`
  return refused === 0 ? said : `${said}, ${refused} refused: ${COMMAND} dlq list --group ${group} on the first broker shows them and why`
}
