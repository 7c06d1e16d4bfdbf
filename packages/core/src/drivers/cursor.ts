import { CorebusError } from '../errors.ts'

/** The `next` of a page: a position that only its driver reads, and that a shell takes without quotes. */
export function cursorOf(driver: string, position: unknown): string {
  return Buffer.from(JSON.stringify([driver, position])).toString('base64url')
}

/**
 * The position in a cursor of this driver.
 * @param isPosition whether it is one: a cursor comes from a command line, or from another version
 * @throws CorebusError CURSOR
 */
export function positionIn<T>(driver: string, cursor: string, isPosition: (value: unknown) => value is T): T {
  const parsed = contentOf(cursor)
  const [maker, position] = Array.isArray(parsed) ? parsed : []
  if (maker === driver && isPosition(position)) return position
  const from = typeof maker === 'string' && maker !== driver ? `it is of the ${maker} broker, and this one is ${driver}` : 'it is no cursor'
  throw new CorebusError('CURSOR', `dead letters cannot be listed after "${cursor}": ${from}. Take what came with the page before`)
}

function contentOf(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return undefined
  }
}
