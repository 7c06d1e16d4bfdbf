import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import { asError, CorebusError } from '../../../errors.ts'
import { lettersIn } from '../../../operations/letter-lines.ts'
import { withBroker } from '../../broker.ts'
import { type Common, common } from '../../common.ts'
import { EXIT_HELP } from '../../exit.ts'
import { print } from '../../report.ts'

interface Options extends Common {
  readonly json?: true
}

const HELP = `
Puts exported letters back as dead letters of the same group and topic, here or
on another broker; dlq retry then hands them to that group. They keep their ids,
so an inbox knows those that were handled. The group must have been started here
once, and keep dead letters: otherwise none is put back. A letter that is there
already is not looked for: imported twice, it is there twice.

Examples:
  $ npx corebus dlq import letters.jsonl
  $ gunzip -c letters.jsonl.gz | npx corebus dlq import -
  $ npx corebus dlq import letters.jsonl --env-file .env.staging
${EXIT_HELP}`

export function importCommand(dlq: Command): void {
  common(dlq.command('import <file>').description('put back what was exported; - reads stdin'))
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(importLetters)
}

async function importLetters(file: string, options: Options): Promise<void> {
  const letters = lettersIn(file === '-' ? await text(process.stdin) : read(file))
  await withBroker('dlq', options, ({ driver }) => driver.admin.bury(letters))
  const imported = letters.length
  await print(options.json ? JSON.stringify({ imported }) : `${imported} imported`)
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new CorebusError('USAGE', `${file} cannot be read: ${asError(cause).message}`, { cause })
  }
}
