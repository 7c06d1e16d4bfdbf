import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { asError, CorebusError } from '../../../errors.ts'
import { lineOf } from '../../../operations/letter-lines.ts'
import { eachPage } from '../../../operations/letter-pages.ts'
import { withBroker } from '../../broker.ts'
import { EXIT_HELP } from '../../exit.ts'
import { say, write } from '../../report.ts'
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
  const to = out === undefined ? new Pipe() : new NewFile(out)
  let count = 0
  await withBroker('dlq', options, async ({ driver: { admin } }) => {
    try {
      await eachPage(admin, filter, async (letters) => {
        count += letters.length
        return to.write(letters.map((letter) => `${lineOf(letter)}\n`).join(''))
      })
      await checkFound(admin, count, filter)
      to.close()
    } catch (error) {
      to.discard()
      throw error
    }
  })
  say(count === 0 ? 'no dead letters' : `${count} exported${out === undefined ? '' : ` to ${out}`}`)
}

/** Standard output. */
class Pipe {
  write(text: string): Promise<boolean> {
    return write(text)
  }

  close(): void {}

  discard(): void {}
}

/** A file that is readable by its owner alone, and is never written over another one. */
class NewFile {
  readonly #path: string
  #file: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** @throws CorebusError USAGE */
  async write(text: string): Promise<boolean> {
    try {
      this.#file ??= openSync(this.#path, 'wx', 0o600)
      writeFileSync(this.#file, text)
      return true
    } catch (cause) {
      const why = (cause as NodeJS.ErrnoException).code === 'EEXIST' ? 'it is there already, name another' : asError(cause).message
      throw new CorebusError('USAGE', `--out ${this.#path} cannot be written: ${why}`, { cause })
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
  }

  /** A part of an export would be taken for all of it. */
  discard(): void {
    if (this.#file === undefined) return
    this.close()
    rmSync(this.#path, { force: true })
  }
}
