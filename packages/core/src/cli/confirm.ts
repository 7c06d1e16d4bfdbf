import { createInterface } from 'node:readline/promises'
import { CorebusError } from '../errors.ts'
import { visible } from '../observe/readable.ts'

export interface ConfirmOptions {
  /** --yes was said. */
  readonly yes: boolean
  readonly input?: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly output?: NodeJS.WritableStream
}

/**
 * Asks whoever sits at the terminal before something is done that cannot be undone. Resolves when it is wanted.
 * @throws CorebusError USAGE where nobody sits there and --yes was not said, CANCELLED for any answer but yes
 */
export async function confirm(what: string, { yes, input = process.stdin, output = process.stderr }: ConfirmOptions): Promise<void> {
  if (yes) return
  if (!input.isTTY) throw new CorebusError('USAGE', `${what}. Say --yes to do it`)
  const asking = createInterface({ input, output })
  try {
    // Ctrl-D is an answer too.
    const closed = new Promise<string>((resolve) => asking.once('close', () => resolve('')))
    const answer = await Promise.race([asking.question(visible(`${what}. Go on? [y/N] `)), closed])
    if (!/^y(es)?$/i.test(answer.trim())) throw new CorebusError('CANCELLED', 'nothing was done')
  } finally {
    asking.close()
  }
}
