import { type Command, EXIT_HELP, print, type WithEntry } from '@corebus/core/internal/cli'
import { ddl, migrate } from '@corebus/sql'
import { told, withEntryOptions } from '@corebus/sql/internal/cli'
import { withReplication } from './parts.ts'

const HELP = `
Makes the tables in which replication keeps revisions and tombstones, where they
are missing. Safe to run at every deploy, by several at once. --print writes the
statements for another tool instead.

Examples:
  $ npx corebus cqrs migrate
  $ npx corebus cqrs migrate --print > migrations/20261201_cqrs.sql
${EXIT_HELP}`

export function migrateCommand(cqrs: Command): void {
  withEntryOptions(cqrs.command('migrate').description('make the tables that are missing'))
    .option('--print', 'print the statements, and run none')
    .addHelpText('after', HELP)
    .action(run)
}

async function run({ print: only, ...options }: WithEntry & { readonly print?: true }): Promise<void> {
  const lines = await withReplication(
    options,
    async (all) => {
      const said: string[] = []
      for (const { database, feature, masters, replicas } of all) {
        if (only) said.push(...ddl(database.dialect, [feature]).map((statement) => `${statement};`))
        else {
          await told(database, () => migrate(database, [feature]))
          const names = [...masters.map(({ master }) => `master ${master.id}`), ...replicas.map(({ replica }) => `replica ${replica.name}`)]
          said.push(`${database.where} has ${feature.name} with ${names.join(', ')}`)
        }
      }
      return said
    },
    { tables: false },
  )
  await print(lines.join('\n'))
}
