import type { Command } from 'commander'
import { listGroups } from './groups/list.ts'
import { removeCommand } from './groups/remove.ts'

const HELP = `
A group is known on a broker from its service's first start on. What is
published waits for it, also when it is never started again: a group that was
renamed keeps its messages until it is removed.

Examples:
  $ npx corebus groups list
  $ npx corebus groups remove billing-old
`

export function define(groups: Command): void {
  groups.addHelpText('after', HELP)
  listGroups(groups)
  removeCommand(groups)
}
