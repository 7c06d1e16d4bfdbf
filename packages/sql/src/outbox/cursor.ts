import { CorebusError } from '@corebus/core'

/** A row of an outbox in the order of its kind. */
export interface Position<State extends string> {
  readonly state: State
  /** When it is due or has died; 0 for the kinds that are ordered by number alone. */
  readonly at: number
  readonly seq: number
}

/** The `next` of a page: a text that a shell takes without quotes. */
export function cursorOf({ state, at, seq }: Position<string>): string {
  return Buffer.from(JSON.stringify([state, at, seq])).toString('base64url')
}

/** @throws CorebusError CURSOR for what is no cursor, or of a list of other kinds */
export function positionIn<State extends string>(cursor: string, states: readonly State[]): Position<State> {
  const content = contentOf(cursor)
  const [given, at, seq] = Array.isArray(content) ? content : []
  const state = states.find((one) => one === given)
  if (state !== undefined && isWhole(at) && isWhole(seq)) return { state, at, seq }
  throw new CorebusError(
    'CURSOR',
    `the outbox cannot be listed after "${cursor}": it is no cursor of such a list. Take what came with the page before, with the same filter`,
  )
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value)

function contentOf(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return undefined
  }
}
