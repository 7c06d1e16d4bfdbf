import type { Command } from '@corebus/core/internal/cli'
import { cqrsCommands } from './cli/cqrs.ts'
import { projectionCommands } from './cli/projections.ts'

/** Adds the commands of this package to `npx corebus`. */
export function commands(program: Command): void {
  cqrsCommands(program)
  projectionCommands(program)
}
