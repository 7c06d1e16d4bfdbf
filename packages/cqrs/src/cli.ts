import type { Command } from '@corebus/core/internal/cli'
import { projectionCommands } from './cli/projections.ts'

/** Adds the commands of this package to `npx corebus`. */
export function commands(program: Command): void {
  projectionCommands(program)
}
