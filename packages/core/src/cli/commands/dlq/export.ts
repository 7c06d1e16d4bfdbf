import type { Command } from 'commander'
import { lineOf } from '../../../operations/letter-lines.ts'
import { eachPage } from '../../../operations/letter-pages.ts'
import { withBroker } from '../../broker.ts'
import { EXIT_HELP } from '../../exit.ts'
import { say, write } from '../../report.ts'
import { checkFound, type Filtered, filtered, filterOf, nothing } from './filter.ts'
import { NewFile } from './new-file.ts'

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
  const file = out === undefined ? undefined : new NewFile(out)
  const put = async (text: string): Promise<boolean> => {
    if (!file) return write(text)
    file.write(text)
    return true
  }
  let count = 0
  let elsewhere: readonly string[] = []
  try {
    await withBroker('dlq', options, async ({ driver: { admin } }) => {
      await eachPage(admin, filter, (letters) => {
        count += letters.length
        return put(letters.map((letter) => `${lineOf(letter)}\n`).join(''))
      })
      elsewhere = await checkFound(admin, count, filter)
      file?.finish()
    })
  } catch (error) {
    file?.discard()
    throw error
  }
  say(count === 0 ? nothing(elsewhere, 'no dead letters') : `${count} exported${out === undefined ? '' : ` to ${out}`}`)
}
