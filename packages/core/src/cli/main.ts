import { styleText } from 'node:util'
import { Command, CommanderError } from 'commander'
import { COMMAND } from '../errors.ts'
import { packageVersion } from '../process/version.ts'
import { addCommandsOf } from './add-ons.ts'
import { COMMANDS, load } from './commands.ts'
import { type Common, common } from './common.ts'
import { EXIT, EXIT_HELP, exitCodeOf } from './exit.ts'
import { report } from './report.ts'

const HELP = `
Variables are read from .env beside the nearest package.json; those already set
win.

Examples:
  $ npx corebus consumer                             run this service's handlers
  $ npx corebus publish orders.created '{"id": 7}'   publish by hand
  $ npx corebus topics                               what waits where
  $ npx corebus dlq list                             what failed, and why
  $ npx corebus dlq retry --topic orders.created     try that again
  $ npx corebus groups remove billing-old            forget a renamed group
  $ npx corebus bridge --help                        move to another broker
  $ npx corebus outbox status                        what waits in the database
${EXIT_HELP}`

/** The command line. Ends the process. */
export async function main(argv: readonly string[] = process.argv): Promise<void> {
  // What ends before it has said otherwise has not succeeded.
  process.exitCode = EXIT.failed
  process.exit(await run(argv))
}

async function run(argv: readonly string[]): Promise<number> {
  let verbose = false
  let exitCode: number = EXIT.ok
  const program = programOf()
  program.hook('preAction', (_, action) => {
    verbose = action.opts<Partial<Common>>().verbose === true
  })
  try {
    const onEnd = (code: number): void => {
      exitCode = code
    }
    await addCommandsOf(argv.slice(2), program, onEnd)
    await load(argv.slice(2), program, onEnd)
    await program.parseAsync(argv)
    return exitCode
  } catch (error) {
    // Commander has said it already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    report(error, verbose)
    return exitCodeOf(error)
  }
}

/** The program knows the names of all commands, for the help and for a misspelt one. The options and the work of a command come with `load`. */
function programOf(): Command {
  const program = new Command(COMMAND)
    .description('Messaging on Kafka, RabbitMQ, Redis Streams, SQLite or memory')
    .version(packageVersion, '-V, --version')
    // What stands behind a command is that command's: `topics create --json`.
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError(`Run ${COMMAND} --help, or ${COMMAND} <command> --help.`)
    .configureHelp({ styleTitle: (title) => styleText('bold', title) })
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error:/, (label) => styleText('red', label, { stream: process.stderr }))),
    })
    .addHelpText('after', HELP)
  for (const { usage, description, isFamily } of COMMANDS) {
    const command = program.command(usage).description(description)
    if (!isFamily) common(command)
  }
  return program
}
