import { CorebusError } from '../errors.ts'

/** Why a group cannot be joined where clients that are not ours are its members. */
export const OTHER_CLIENTS = 'other clients are members of a group of this name: give this one another name'

export function groupDead(group: string, why: string, options?: { cause: unknown }): CorebusError {
  return new CorebusError('GROUP_DEAD', `group ${group} cannot be joined: ${why}`, options)
}
