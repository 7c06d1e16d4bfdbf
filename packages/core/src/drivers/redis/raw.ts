import type { Raw } from '../../driver.ts'
import { Receipt } from './holdings.ts'
import { headerIn, KEY, OURS } from './wire.ts'

/**
 * An entry as its author wrote it, also of a copy: what begins with `corebus-` was laid over it, and is in the headers alone. Of a name that comes
 * twice the last value.
 */
export function rawOf(receipt: unknown): Raw {
  const headers: Record<string, Uint8Array> = Object.create(null)
  const own: Record<string, Uint8Array> = Object.create(null)
  if (!(receipt instanceof Receipt)) return { headers, fields: own }
  const { fields } = receipt.entry
  const { message } = receipt.delivery
  let key: Uint8Array | undefined
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = String(fields[i])
    const value = fields[i + 1] as Uint8Array // a name has its value behind it
    if (name === KEY) key = value
    const header = headerIn(name) ?? name
    if (Object.hasOwn(message.headers, header)) headers[header] = value
    if (!name.startsWith(OURS)) own[name] = value
  }
  return { ...(key && { key }), headers, fields: own }
}
