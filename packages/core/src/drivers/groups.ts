import { CorebusError } from '../errors.ts'

interface Of {
  readonly topic: string
  readonly group: string
}

/** The error when a group is to be removed that still has members. */
export function hasMembers({ topic, group }: Of, count: number): CorebusError {
  const who = count === 1 ? 'a member' : `${count} members`
  return new CorebusError('GROUP_HAS_MEMBERS', `group ${group} has ${who} on topic ${topic}: stop them first, and remove it then`)
}

/** The error when a dead letter is put back for a group that nobody has declared here. */
export function notDeclared({ topic, group }: Of): CorebusError {
  return new CorebusError(
    'NO_SUCH_GROUP',
    `there is no group ${group} on topic ${topic} here that could have dead letters: start its service once, and do it again then`,
  )
}

/** The error when a dead letter is put back for a group whose dead letters go to something of others. */
export function keptByOthers({ topic, group }: Of, where: string): CorebusError {
  return new CorebusError('NO_DEAD_LETTERS', `group ${group} on topic ${topic} has no place of ours: its dead letters go to ${where}`)
}

/** The error when a dead letter is put back for a group that says `deadLetter: false`. */
export function keepsNone({ topic, group }: Of): CorebusError {
  return new CorebusError('NO_DEAD_LETTERS', `group ${group} on topic ${topic} keeps no dead letters: it says deadLetter: false`)
}
