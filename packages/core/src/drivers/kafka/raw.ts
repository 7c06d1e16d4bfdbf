import type { Raw } from '../../driver.ts'
import { Receipt } from './group/line.ts'
import { bufferIn, HIDDEN, OURS } from './wire.ts'

/** A record with the bytes of its author, also of a copy, whose own key may say which letter it was. */
export function rawOf(receipt: unknown): Raw {
  const headers: Record<string, Uint8Array> = Object.create(null)
  if (!(receipt instanceof Receipt)) return { headers }
  const { record, line } = receipt
  const all = record.headers
  for (const name in all) {
    const value = bufferIn(all, name)
    if (value && !HIDDEN.has(name)) headers[name] = value
  }
  const wasLetter = line.kind !== 'topic' && Object.hasOwn(all, OURS.dead)
  const key = wasLetter ? bufferIn(all, OURS.key) : record.key
  return { ...(key && { key }), headers }
}
