import type { Command } from 'commander'
import { topologyError } from '../../../broker/connection.ts'
import { checkName } from '../../../wire/names.ts'
import { withBroker } from '../../broker.ts'
import { type Common, common, wholeNumber } from '../../common.ts'
import { EXIT_HELP } from '../../exit.ts'
import { print } from '../../report.ts'

interface Options extends Common {
  readonly partitions?: number
  readonly json?: true
}

const HELP = `
Makes topics, as whoever first publishes or reads would: so that somebody with
the right does it once, and services run with topology: 'check'. One that is
there stays as it is, and is no error. --partitions counts on Kafka; with other
brokers, whose topics have none to choose, a line says that it does nothing.

Examples:
  $ npx corebus topics create orders payments
  $ npx corebus topics create clicks --partitions 24
${EXIT_HELP}`

export function createCommand(topics: Command): void {
  common(topics.command('create <topic...>').description('make topics that are not there yet'))
    .option('--partitions <n>', 'so many in each that is made', wholeNumber)
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(create)
}

/** @throws CorebusError TOPOLOGY when one is there with fewer partitions than were asked for */
async function create(given: readonly string[], options: Options): Promise<void> {
  const { partitions, json } = options
  const names = [...new Set(given.map((name) => checkName('topic', name)))]
  const topology = partitions !== undefined && { topics: Object.fromEntries(names.map((name) => [name, { partitions }])) }
  const there = await withBroker(
    'topics',
    options,
    async ({ driver }) => {
      const before = new Set((await driver.admin.topics(names)).map(({ topic }) => topic))
      const differences = await driver.ensure({ topics: names, groups: [] }, 'create')
      if (differences.length > 0) throw topologyError(differences, 'create')
      return before
    },
    topology ? { topology } : {},
  )
  const made = names.map((topic) => ({ topic, made: !there.has(topic) }))
  await print(json ? JSON.stringify(made) : made.map((one) => `${one.topic} ${one.made ? 'made' : 'is there already'}`).join('\n'))
}
