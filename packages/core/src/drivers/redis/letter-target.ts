import type { LetterTarget } from '../../driver.ts'
import { notTaken, readsItself, wrongTarget } from '../letter-target.ts'
import { isNoStream } from './failure.ts'
import type { Argument, Reply } from './link.ts'
import type { Nodes } from './nodes.ts'
import { lookAtLetters } from './scripts/topic.ts'

interface LettersOf {
  readonly topic: string
  readonly group: string
}

/** The key of the stream. `reads` is the one that the group reads. @throws CorebusError TARGET for what is no stream's, or leads back to the group */
export function letterStreamOf(to: LetterTarget, of: LettersOf, reads: string): string {
  if (!('stream' in to)) throw wrongTarget(of, `${JSON.stringify(to)} is nothing of Redis, where it can be { stream } alone`)
  if (to.stream === reads) throw readsItself(of, `the stream ${reads}`)
  return to.stream
}

/** @throws CorebusError TARGET where it is not there, ACCESS_REFUSED */
export async function refuseMissing({ to, ...of }: LettersOf & { readonly to?: string }, nodes: Nodes): Promise<void> {
  if (to === undefined) return
  const found = String(await nodes.run(lookAtLetters, [to], []))
  if (found === 'no stream') throw wrongTarget(of, `the key ${to} holds something that is no stream. Correct deadLetter: { to }`)
  if (found === 'missing')
    throw wrongTarget(
      of,
      `there is no stream ${to}, and streams of others are not made here. Correct deadLetter: { to }, or let its owner make it first: redis-cli XGROUP CREATE ${to} <their group> 0 MKSTREAM`,
    )
}

interface Storing {
  readonly to: string
  /** Runs a command that writes until it is done. */
  readonly write: (key: string, command: readonly Argument[]) => Promise<Reply>
}

/** Resolves when their stream has it. @throws CorebusError UNROUTABLE where there is none now */
export async function storeLetter(fields: readonly Argument[], { to, write }: Storing): Promise<void> {
  const stored = await write(to, ['XADD', to, 'NOMKSTREAM', '*', ...fields]).catch((thrown: unknown) => {
    throw isNoStream(thrown) ? notTaken(`the stream ${to}`, 'its key holds something else now', { cause: thrown }) : thrown
  })
  if (stored === null) throw notTaken(`the stream ${to}`, "there is none any more, and it is its owner's to make")
}
