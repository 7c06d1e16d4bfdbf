import type { Command } from '@corebus/core/internal/cli'
import { purgeCommand, retryCommand } from './outbox-dead.ts'
import { listCommand } from './outbox-list.ts'
import { moveCommand } from './outbox-move.ts'
import { relayCommand } from './outbox-relay.ts'
import { showCommand } from './outbox-show.ts'
import { statusCommand } from './outbox-status.ts'
import { ddlCommand, migrateCommand } from './outbox-tables.ts'

const HELP = `
Events that wait in the database until a relay has published them. These
commands load the file that configures messaging, as npx corebus consumer does,
and use its database by its own library. Only relay starts anything of it.

Examples:
  $ npx corebus outbox status
  $ npx corebus outbox relay --health-port 9000
  $ npx corebus outbox list --state dead
  $ npx corebus outbox retry --topic orders.created
`

export function outboxCommands(program: Command, onEnd: (exitCode: number) => void): void {
  const outbox = program.command('outbox').description('the outbox: what waits in it, and its relay').addHelpText('after', HELP)
  relayCommand(outbox, onEnd)
  statusCommand(outbox)
  listCommand(outbox)
  showCommand(outbox)
  retryCommand(outbox)
  purgeCommand(outbox)
  ddlCommand(outbox)
  migrateCommand(outbox)
  moveCommand(outbox)
}
