import type { Command } from '@corebus/core/internal/cli'
import { deletedCommand, diffCommand } from './cqrs/diff.ts'
import { dumpCommand, loadCommand } from './cqrs/dump.ts'
import { migrateCommand } from './cqrs/migrate.ts'
import { statusCommand } from './cqrs/status.ts'
import { syncCommand } from './cqrs/sync.ts'

const HELP = `
Masters and replicas of tables. These commands load the file that configures
messaging, as npx corebus consumer does, and start nothing of it.

Examples:
  $ npx corebus cqrs status
  $ npx corebus cqrs sync produto
  $ npx corebus cqrs diff produto --deep --fix
`

export function cqrsCommands(program: Command): void {
  const cqrs = program.command('cqrs').description('replicas of tables: filling, comparing and mending them').addHelpText('after', HELP)
  statusCommand(cqrs)
  syncCommand(cqrs)
  diffCommand(cqrs)
  deletedCommand(cqrs)
  dumpCommand(cqrs)
  loadCommand(cqrs)
  migrateCommand(cqrs)
}
