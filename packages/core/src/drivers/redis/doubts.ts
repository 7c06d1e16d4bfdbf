import type { Message } from '../../driver.ts'
import type { Argument } from './link.ts'
import { MOST_VALUES } from './scripts/common.ts'
import { toFields } from './wire.ts'

interface Doubtful {
  readonly message: Message
}

/** In one script, which nobody else's commands get between. */
const AT_MOST = 200
const BYTES = 4 * 1024 * 1024

export interface Once<E> {
  readonly batch: readonly E[]
  /** What `publishOnce` takes after where it begins to look. */
  readonly args: readonly Argument[]
  /** The fields of the one message of this batch, if that has more of them than a script takes: the script only looks whether it is there. */
  readonly wide: readonly Argument[] | undefined
}

/** As many of the first as one script publishes, those that are there left out. */
export function once<E extends Doubtful>(entries: readonly E[]): Once<E> {
  const batch: E[] = []
  const args: Argument[] = []
  let bytes = 0
  for (const entry of entries) {
    const { id, body } = entry.message
    if (batch.length >= AT_MOST || bytes >= BYTES) break
    const fields = toFields(entry.message)
    if (fields.length > MOST_VALUES) {
      if (batch.length > 0) break
      return { batch: [entry], args: ['1', id, '0'], wide: fields }
    }
    args.push(id, String(fields.length), ...fields)
    batch.push(entry)
    bytes += body.length
  }
  return { batch, args: [String(batch.length), ...args], wide: undefined }
}
