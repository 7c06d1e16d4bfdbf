import { type Command, InvalidArgumentError } from 'commander'

/** What every command takes. */
export interface Common {
  readonly envFile: readonly string[]
  readonly verbose?: true
}

export function common(command: Command): Command {
  return command
    .option('--env-file <file>', 'variables from here instead of .env beside package.json; those already set win (repeatable)', collect, [])
    .option('-v, --verbose', 'with stack traces')
}

/** For options that may be repeated. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

export function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number of at least 1.')
  return Number(text)
}
