import type { Command } from 'commander'
import { exportCommand } from './dlq/export.ts'
import { importCommand } from './dlq/import.ts'
import { listCommand } from './dlq/list.ts'
import { purgeCommand } from './dlq/purge.ts'
import { retryCommand } from './dlq/retry.ts'
import { showCommand } from './dlq/show.ts'

const HELP = `
A message that a group gave up on lies in that group's dead letters until it is
handed back (retry) or deleted (purge). list and show change nothing.
The broker is the one that .env and the environment name; what the service's
code says is not seen.

Examples:
  $ npx corebus dlq list
  $ npx corebus dlq show 01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11
  $ npx corebus dlq retry --topic payment-events --rate 50
`

export function define(dlq: Command): void {
  dlq.addHelpText('after', HELP)
  listCommand(dlq)
  showCommand(dlq)
  retryCommand(dlq)
  purgeCommand(dlq)
  exportCommand(dlq)
  importCommand(dlq)
}
