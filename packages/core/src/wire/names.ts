import { CorebusError } from '../errors.ts'

// What every broker accepts, with room for the names of delay and dead-letter places.
const NAME = /^[A-Za-z0-9._-]{1,180}$/

export const isName = (name: string): boolean => NAME.test(name) && name !== '.' && name !== '..'

/** @throws CorebusError NAME: letters, digits, dot, dash and underscore travel on every broker. */
export function checkName(kind: 'topic' | 'group', name: string): string {
  if (isName(name)) return name
  throw new CorebusError('NAME', `${kind} "${name}" cannot be used on every broker: 1 to 180 of A-Z a-z 0-9 . _ - are allowed`)
}
