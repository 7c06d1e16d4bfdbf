import type { Command } from 'commander'
import type { Admin, Burying } from '../../../driver.ts'
import { CorebusError } from '../../../errors.ts'
import { lettersIn } from '../../../operations/letter-lines.ts'
import { withBroker } from '../../broker.ts'
import { type Common, common } from '../../common.ts'
import { EXIT_HELP } from '../../exit.ts'
import { print } from '../../report.ts'
import { type Rereadable, withRereadable } from './rereadable.ts'

interface Options extends Common {
  readonly json?: true
}

/** Each may be large. */
const LETTERS_AT_ONCE = 200

const HELP = `
Puts exported letters back as dead letters of the same group and topic, here or
on another broker; dlq retry then hands them to that group. They keep their ids,
so an inbox knows those that were handled. The group must have been started here
once, and keep dead letters: otherwise none is put back. A letter that is there
already is not looked for: imported twice, it is there twice.

Examples:
  $ npx corebus dlq import letters.jsonl
  $ gunzip -c letters.jsonl.gz | npx corebus dlq import -
  $ npx corebus dlq import <(gunzip -c letters.jsonl.gz)
  $ npx corebus dlq import letters.jsonl --env-file .env.staging
${EXIT_HELP}`

export function importCommand(dlq: Command): void {
  common(dlq.command('import <file>').description('put back what was exported; - reads stdin'))
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(importLetters)
}

async function importLetters(file: string, options: Options): Promise<void> {
  const imported = await withRereadable(file, async (read) => {
    const first = await firstReading(read)
    return withBroker('dlq', options, ({ driver: { admin } }) => buryAll(admin, { file, read, first }))
  })
  await print(options.json ? JSON.stringify({ imported }) : `${imported} imported`)
}

interface FirstReading {
  readonly count: number
  /** The first letter of each group and topic, by its number. */
  readonly samples: ReadonlyMap<number, Burying>
}

/** @throws CorebusError USAGE for a line that is no letter: then nothing was put back */
export async function firstReading(read: Rereadable): Promise<FirstReading> {
  const samples = new Map<number, Burying>()
  const known = new Set<string>()
  let count = 0
  for await (const letter of lettersIn(read())) {
    const whose = JSON.stringify([letter.message.topic, letter.group])
    if (!known.has(whose)) samples.set(count, letter)
    known.add(whose)
    count++
  }
  return { count, samples }
}

interface Import {
  readonly file: string
  readonly read: Rereadable
  readonly first: FirstReading
}

/**
 * Those first that tell whether each group can have letters here: when one cannot, none is put back.
 * @throws CorebusError CHANGED when the second reading does not give as many letters as the first
 */
export async function buryAll(admin: Admin, { file, read, first: { count, samples } }: Import): Promise<number> {
  await admin.bury([...samples.values()])
  let n = 0
  let together: Burying[] = []
  for await (const letter of lettersIn(read())) {
    if (!samples.has(n++)) together.push(letter)
    if (together.length < LETTERS_AT_ONCE) continue
    await admin.bury(together)
    together = []
  }
  await admin.bury(together)
  if (n !== count)
    throw new CorebusError(
      'CHANGED',
      `${file} has changed while it was read: it had ${count} letters at first and ${n} then, which were put back`,
    )
  return n
}
