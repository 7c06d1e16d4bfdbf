import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { asError, CorebusError } from '../../../errors.ts'
import { lineOf } from '../../../operations/letter-lines.ts'
import { withBroker } from '../../broker.ts'
import { EXIT_HELP } from '../../exit.ts'
import { print, say } from '../../report.ts'
import { checkFound, type Filtered, filtered, filterOf } from './filter.ts'

interface Options extends Filtered {
  readonly out?: string
}

const HELP = `
A line of JSON for each letter, with all that it takes to put it back: id,
topic, group, key, headers and bytes (in base64 what is no UTF-8). Without a
filter it is every letter. What is in messages is in the file: keep it safe.

Examples:
  $ npx corebus dlq export --out letters.jsonl
  $ npx corebus dlq export --topic payment-events | gzip > letters.jsonl.gz
${EXIT_HELP}`

export function exportCommand(dlq: Command): void {
  filtered(dlq.command('export').description('write them out, so that they can be put back'))
    .option('--out <file>', 'into this file, which must not be there yet')
    .addHelpText('after', HELP)
    .action(exportLetters)
}

async function exportLetters(options: Options): Promise<void> {
  const filter = filterOf(options)
  const { out } = options
  const lines = await withBroker('dlq', options, async ({ driver: { admin } }) => {
    const letters = await admin.deadLetters(filter)
    await checkFound(admin, letters.length, filter)
    return letters.map(lineOf)
  })
  if (out !== undefined) write(out, lines.map((line) => `${line}\n`).join(''))
  else if (lines.length > 0) await print(lines.join('\n'))
  say(lines.length === 0 ? 'no dead letters' : `${lines.length} exported${out === undefined ? '' : ` to ${out}`}`)
}

/** The file is readable by its owner alone, and is never written over another one. @throws CorebusError USAGE */
function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o600 })
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'EEXIST' ? 'it is there already, name another' : asError(cause).message
    throw new CorebusError('USAGE', `--out ${file} cannot be written: ${why}`, { cause })
  }
}
