import { createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import type { Admin, Burying } from '../../../driver.ts'
import { asError, CorebusError } from '../../../errors.ts'
import { lettersIn } from '../../../operations/letter-lines.ts'
import { withBroker } from '../../broker.ts'
import { type Common, common } from '../../common.ts'
import { EXIT_HELP } from '../../exit.ts'
import { print } from '../../report.ts'

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
  $ npx corebus dlq import letters.jsonl --env-file .env.staging
${EXIT_HELP}`

export function importCommand(dlq: Command): void {
  common(dlq.command('import <file>').description('put back what was exported; - reads stdin'))
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(importLetters)
}

async function importLetters(file: string, options: Options): Promise<void> {
  const imported = await withFile(file, async (path) => {
    const samples = await samplesOf(path)
    return withBroker('dlq', options, ({ driver: { admin } }) => buryAll(admin, path, samples))
  })
  await print(options.json ? JSON.stringify({ imported }) : `${imported} imported`)
}

/** Standard input is read twice too, from a file that only this user can read and that is deleted after it. */
async function withFile<T>(file: string, work: (path: string) => Promise<T>): Promise<T> {
  if (file !== '-') return work(file)
  const folder = mkdtempSync(join(tmpdir(), 'corebus-import-'))
  try {
    const path = join(folder, 'letters.jsonl')
    await pipeline(process.stdin, createWriteStream(path, { mode: 0o600 }))
    return await work(path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The first letter of each group and topic, by its number. @throws CorebusError USAGE for a line that is none: then nothing was put back */
async function samplesOf(path: string): Promise<ReadonlyMap<number, Burying>> {
  const samples = new Map<number, Burying>()
  const known = new Set<string>()
  let n = 0
  for await (const letter of lettersIn(read(path))) {
    const whose = JSON.stringify([letter.message.topic, letter.group])
    if (!known.has(whose)) samples.set(n, letter)
    known.add(whose)
    n++
  }
  return samples
}

/** Those first that tell whether each group can have letters here: when one cannot, none is put back. */
async function buryAll(admin: Admin, path: string, samples: ReadonlyMap<number, Burying>): Promise<number> {
  await admin.bury([...samples.values()])
  let n = 0
  let together: Burying[] = []
  for await (const letter of lettersIn(read(path))) {
    if (!samples.has(n++)) together.push(letter)
    if (together.length < LETTERS_AT_ONCE) continue
    await admin.bury(together)
    together = []
  }
  await admin.bury(together)
  return n
}

/** @throws CorebusError USAGE */
async function* read(path: string): AsyncGenerator<string> {
  try {
    yield* createReadStream(path, 'utf8')
  } catch (cause) {
    throw new CorebusError('USAGE', `${path} cannot be read: ${asError(cause).message}`, { cause })
  }
}
