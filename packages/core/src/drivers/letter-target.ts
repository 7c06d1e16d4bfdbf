import { CorebusError } from '../errors.ts'

interface Of {
  readonly topic: string
  readonly group: string
}

/** The error when a group's dead letters are to go where they cannot. */
export function wrongTarget({ topic, group }: Of, why: string): CorebusError {
  return new CorebusError('TARGET', `the dead letters of group ${group} on topic ${topic} cannot go where they are to go: ${why}`)
}

/** The error when a place of others does not take a dead letter now. Whoever owns it may mend it, so it is tried again, and nothing is cut from it. */
export function notTaken(where: string, why: string, options?: { cause: unknown }): CorebusError {
  return new CorebusError('UNROUTABLE', `a dead letter for ${where} cannot be stored, and its message stays unsettled: ${why}`, options)
}

/** A target that would bring a dead letter back to the group that has just given up on it, for ever. */
export function readsItself(of: Of, what: string): CorebusError {
  return wrongTarget(
    of,
    `${what} is what the group itself reads, and each would come again for ever. Name another place with deadLetter: { to }`,
  )
}
