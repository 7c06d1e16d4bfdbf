import { type Command, confirm, EXIT_HELP, print } from '@corebus/core/internal/cli'
import { withEntryOptions } from '@corebus/sql/internal/cli'
import { drop } from '../projection/drop.ts'
import { checkTables, type Json, withProjections } from './parts.ts'

interface Options extends Json {
  readonly yes?: true
}

const HELP = `
Drops the documents of a projection and forgets where it stood, also of one that
the code has no more. The journal stays, so it can be rebuilt. A consumer that
handles its events begins anew with the next one.

Examples:
  $ npx corebus projections drop orders-old --yes
${EXIT_HELP}`

export function dropCommand(projections: Command): void {
  withEntryOptions(projections.command('drop <name>').description('remove its documents'))
    .option('--yes', 'do not ask')
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(run)
}

async function run(name: string, options: Options): Promise<void> {
  const dropped = await withProjections(options, async (all) => {
    const [first] = all
    const workings = all.find((one) => one.all.some((projection) => projection.name === name)) ?? first
    if (!workings) return []
    await checkTables(workings)
    await confirm(`The documents of projection ${name} in ${workings.store.where} are deleted`, { yes: options.yes === true })
    return drop(name, workings)
  })
  await print(options.json ? JSON.stringify({ name, dropped }) : `${name} is dropped: ${dropped.join(', ')}`)
}
