import { type Command, count, EXIT_HELP, print } from '@corebus/core/internal/cli'
import { withEntryOptions } from '@corebus/sql/internal/cli'
import { type MasterStatus, type ReplicaStatus, statusOf } from '../../replication/status.ts'
import { type Json, withReplication } from './parts.ts'

const HELP = `
Masters and replicas as they are configured, how many rows each has, and what is
wrong: a replica whose master has never published, one without a running
consumer, dead letters. It changes nothing.

Examples:
  $ npx corebus cqrs status
  $ npx corebus cqrs status --json | jq '.[] | select(.kind == "replica") | .gaps'
${EXIT_HELP}`

export function statusCommand(cqrs: Command): void {
  withEntryOptions(cqrs.command('status').description('masters and replicas, and how they do'))
    .option('--json', 'as JSON')
    .addHelpText('after', HELP)
    .action(run)
}

async function run(options: Json): Promise<void> {
  const all = await withReplication(options, statusOf)
  await print(
    options.json ? JSON.stringify(all) : all.map((one) => (one.kind === 'master' ? masterWords(one) : replicaWords(one))).join('\n\n'),
  )
}

const time = (at: string | null): string => at?.replace('T', ' ').replace(/\.\d+Z$/, '') ?? 'never'

function masterWords({ id, table, key, topic, fields, database, rows, tombstones, lastAt }: MasterStatus): string {
  return [
    `master ${id}: table ${table}, key ${key}, topic ${topic}, in ${database}`,
    `  fields ${fields.join(', ')}`,
    `  ${count(rows)} rows and ${count(tombstones)} tombstones, last changed ${time(lastAt)}`,
  ].join('\n')
}

function replicaWords(one: ReplicaStatus): string {
  const { name, id, table, topic, group, database, map, rows, tombstones, gaps, lastAt, waiting, dead, behind, retries, troubles } = one
  const mapped = Object.entries(map).map(([field, column]) => (field === column ? field : `${field} as ${column}`))
  const broker = waiting === null ? [] : [`${count(waiting)} changes wait, ${count(dead ?? 0)} dead letters`]
  return [
    `replica ${name} of ${id}: ${table === null ? 'no table' : `table ${table}`}, topic ${topic}, group ${group}, in ${database}`,
    `  map ${mapped.join(', ') || 'none'}; retries ${retries ?? 'as the app says'}`,
    `  ${[`${count(rows)} rows and ${count(tombstones)} tombstones`, `last change of ${time(lastAt)}`, `${count(gaps)} revisions passed over`, ...broker].join(', ')}`,
    ...(behind === null || behind === 0 ? [] : [`  the master has ${count(Math.abs(behind))} rows ${behind > 0 ? 'more' : 'less'}`]),
    ...troubles.map((trouble) => `  ! ${trouble}`),
  ].join('\n')
}
