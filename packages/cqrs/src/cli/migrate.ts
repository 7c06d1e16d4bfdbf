import { type Command, EXIT_HELP, print, type WithEntry } from '@corebus/core/internal/cli'
import { ddl, migrate } from '@corebus/sql'
import { told, withEntryOptions } from '@corebus/sql/internal/cli'
import { withProjections } from './parts.ts'

const HELP = `
Makes the tables of projections and their journal, and the first collections of
each projection, where they are missing. Safe to run at every deploy, by several
at once. --print writes the statements of the tables for another tool instead;
collections are made by whoever handles the first event, or rebuilds.

Examples:
  $ npx corebus projections migrate
  $ npx corebus projections migrate --print > migrations/20261201_projections.sql
${EXIT_HELP}`

export function migrateCommand(projections: Command): void {
  withEntryOptions(projections.command('migrate').description('make the tables that are missing'))
    .option('--print', 'print the statements, and run none')
    .addHelpText('after', HELP)
    .action(run)
}

async function run({ print: only, ...options }: WithEntry & { readonly print?: true }): Promise<void> {
  const lines = await withProjections(options, async (all) => {
    const said: string[] = []
    for (const { database, feature, all: projections, ensure } of all) {
      if (only) said.push(...ddl(database.dialect, [feature]).map((statement) => `${statement};`))
      else {
        await told(database, () => migrate(database, [feature]))
        for (const projection of projections) await ensure(projection)
        said.push(`${database.where} has ${feature.name} with ${projections.map(({ name }) => name).join(', ')}`)
      }
    }
    return said
  })
  await print(lines.join('\n'))
}
