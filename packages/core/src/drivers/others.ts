import { CorebusError } from '../errors.ts'

/** @returns the error for a group that clients which are not ours are members of. `instead` says what else can be done here than to leave it to them. */
export function groupForeign(group: string, who: string, instead: string, options?: { cause: unknown }): CorebusError {
  const text = `group ${group} cannot be joined: other clients are members of a group of this name (${who}): give this one another name; ${instead}`
  return new CorebusError('GROUP_FOREIGN', text, options)
}

export function groupDead(group: string, why: string, options?: { cause: unknown }): CorebusError {
  return new CorebusError('GROUP_DEAD', `group ${group} cannot be joined: ${why}`, options)
}
