import type { Command } from '@corebus/core/internal/cli'
import { dropCommand } from './drop.ts'
import { migrateCommand } from './migrate.ts'
import { rebuildCommand } from './rebuild.ts'
import { listCommand, statusCommand } from './status.ts'

const HELP = `
Read models that are made from events. These commands load the file that
configures messaging, as npx corebus consumer does, and start nothing of it.

Examples:
  $ npx corebus projections list
  $ npx corebus projections rebuild orders
  $ npx corebus projections rebuild orders --from broker
`

export function projectionCommands(program: Command): void {
  const projections = program
    .command('projections')
    .description('read models: what they hold, and their rebuilding')
    .addHelpText('after', HELP)
  listCommand(projections)
  statusCommand(projections)
  rebuildCommand(projections)
  dropCommand(projections)
  migrateCommand(projections)
}
