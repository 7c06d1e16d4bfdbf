import type { Command } from 'commander'

/** A command of the program as the list of commands shows it. Its options and its work are loaded when it is called. */
interface Listed {
  /** Its name and its arguments, as commander reads them. */
  readonly usage: string
  readonly description: string
  /** It only has commands below it, which have what is common to all. */
  readonly isFamily?: true
  readonly load: () => Promise<{ define(command: Command, onEnd: (exitCode: number) => void): void }>
}

export const COMMANDS: readonly Listed[] = [
  {
    usage: 'consumer [entry]',
    description: 'run the registered handlers until a signal',
    load: () => import('./commands/consumer.ts'),
  },
  {
    usage: 'publish <topic> [json]',
    description: 'publish one message, and wait for the confirm',
    load: () => import('./commands/publish.ts'),
  },
  {
    usage: 'dlq',
    description: 'dead letters: what could not be handled',
    isFamily: true,
    load: () => import('./commands/dlq.ts'),
  },
  {
    usage: 'topics',
    description: 'topics, their groups, and what waits for each',
    load: () => import('./commands/topics.ts'),
  },
  {
    usage: 'groups',
    description: 'groups, and how to remove one',
    isFamily: true,
    load: () => import('./commands/groups.ts'),
  },
  {
    usage: 'bridge',
    description: 'copy topics from one broker to another, until a signal',
    load: () => import('./commands/bridge.ts'),
  },
]

/** Gives the command that is named on the command line what it takes and does: `consumer ...`, and `help consumer` too. */
export async function load(args: readonly string[], program: Command, onEnd: (exitCode: number) => void): Promise<void> {
  const name = namedIn(args)
  const listed = COMMANDS.find(({ usage }) => usage.split(' ')[0] === name)
  const command = listed && program.commands.find((one) => one.name() === name)
  if (!command) return
  const { define } = await listed.load()
  define(command, onEnd)
}

/** The command that a command line is about. */
export function namedIn(args: readonly string[]): string | undefined {
  const words = args.filter((arg) => !arg.startsWith('-'))
  return words[0] === 'help' ? words[1] : words[0]
}
