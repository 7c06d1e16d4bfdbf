import { createReadStream, createWriteStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CorebusError } from '@corebus/core'
import { messageOf, onSignals, say, type WithEntry, withEntry } from '@corebus/core/internal/cli'
import { told } from '@corebus/sql/internal/cli'
import { checkRevisions } from '../../replication/check.ts'
import { type BoundMaster, type BoundReplica, type Workings, workingsOf } from '../../replication/workings.ts'

export interface Json extends WithEntry {
  readonly json?: true
}

/** Works with all masters and replicas of the default instance. @throws CorebusError USAGE where it has none, SCHEMA where the tables are missing */
export function withReplication<T>(
  options: WithEntry,
  work: (all: readonly Workings[]) => Promise<T>,
  { tables = true }: { readonly tables?: boolean } = {},
): Promise<T> {
  return withEntry(options, async ({ messaging }) => {
    const all = workingsOf(messaging)
    if (all.length === 0)
      throw new CorebusError(
        'USAGE',
        'the default instance of the entry has neither masters nor replicas: call replication(messaging, [...]) of @corebus/cqrs there, or name another file with --entry',
      )
    if (tables) for (const one of all) await told(one.database, () => checkRevisions(one))
    return work(all)
  })
}

/** @throws CorebusError USAGE */
export function masterIn(all: readonly Workings[], id: string): BoundMaster {
  const masters = all.flatMap((one) => one.masters)
  const found = masters.find(({ master }) => master.id === id)
  if (found) return found
  throw new CorebusError('USAGE', `the entry has no master ${id}; there ${named(masters.map(({ master }) => master.id))}`)
}

/** The replica of that name, or the only one here of the master with that id. @throws CorebusError USAGE */
export function replicaIn(all: readonly Workings[], name: string): BoundReplica {
  const replicas = all.flatMap((one) => one.replicas)
  const byId = replicas.filter(({ replica }) => replica.id === name)
  const found = replicas.find(({ replica }) => replica.name === name) ?? (byId.length === 1 ? byId[0] : undefined)
  if (found) return found
  throw new CorebusError('USAGE', `the entry has no replica ${name}; there ${named(replicas.map(({ replica }) => replica.name))}`)
}

const named = (names: readonly string[]): string => (names.length === 0 ? 'is none' : `are ${names.join(', ')}`)

/** A signal that ends the command at the next page. */
export function stopping(what: string): AbortSignal {
  const stop = new AbortController()
  onSignals((why) => {
    say(`${why}: ${what}. A second signal exits at once`)
    stop.abort(new CorebusError('CANCELLED', `${why} has ended it: ${what}`))
  })
  return stop.signal
}

/** The lines of a file; `-` is the standard input. @throws CorebusError USAGE for one that cannot be read */
export async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = ''
  for await (const text of textOf(file)) {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}

async function* textOf(file: string): AsyncGenerator<string> {
  const input: Readable = file === '-' ? process.stdin : createReadStream(file)
  try {
    for await (const text of input.setEncoding('utf8')) yield text as string
  } catch (thrown) {
    throw new CorebusError('USAGE', `${file} cannot be read: ${messageOf(thrown)}`, { cause: thrown })
  }
}

/** Writes lines as they come; without a file to the standard output. */
export async function writeLines(lines: AsyncIterable<string>, file: string | undefined): Promise<void> {
  const output = file === undefined || file === '-' ? process.stdout : createWriteStream(file)
  await pipeline(ended(lines), output, { end: output !== process.stdout })
}

async function* ended(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`
}
