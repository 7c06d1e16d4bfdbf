import type { Command } from '@corebus/core/internal/cli'
import { outboxCommands } from './cli/outbox.ts'
import { scheduleCommands } from './cli/schedule.ts'

/** Adds the commands of this package to `npx corebus`. `onEnd` gets the exit code of one that ends with another than 0 and throws nothing. */
export function commands(program: Command, onEnd: (exitCode: number) => void): void {
  outboxCommands(program, onEnd)
  scheduleCommands(program)
}
