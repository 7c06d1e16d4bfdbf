import type { Command } from '@corebus/core/internal/cli'
import { listCommand } from './schedule-list.ts'
import { runCommand } from './schedule-run.ts'

const HELP = `
What the service runs by the clock (schedule, sqlSchedules). These commands load
the file that configures messaging, as npx corebus consumer does.

Examples:
  $ npx corebus schedule list
  $ npx corebus schedule run nightly-report
`

export function scheduleCommands(program: Command): void {
  const schedule = program.command('schedule').description('what runs by the clock').addHelpText('after', HELP)
  listCommand(schedule)
  runCommand(schedule)
}
