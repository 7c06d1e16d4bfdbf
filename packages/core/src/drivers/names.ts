import { createHash } from 'node:crypto'
import type { DeadLetterPlace } from '../driver.ts'
import { CorebusError } from '../errors.ts'

export interface PlaceOptions {
  readonly topic: string
  readonly group: string
  readonly service: string
  readonly prefix: string
}

/** Where the dead letters of one (group, topic) lie, its name in full. */
export interface Place {
  readonly name: string
  readonly ttlMs?: number
}

/**
 * Where the dead letters of one (group, topic) lie. Two groups may share a place: what lies there knows its group.
 * @throws CorebusError DEAD_LETTER_NAME when the template is empty or has a placeholder that does not exist.
 */
export function resolvePlace(
  { name = '{topic}.{group}.dlq', ttlMs }: DeadLetterPlace,
  { topic, group, service, prefix }: PlaceOptions,
): Place {
  const values: Readonly<Record<string, string>> = { topic, group, service }
  const wrong = (what: string) =>
    new CorebusError(
      'DEAD_LETTER_NAME',
      `the name of dead letters "${name}" (group ${group}, topic ${topic}) ${what}; it may hold {topic}, {group} and {service}`,
    )
  if (name === '') throw wrong('is empty')
  const resolved = name.replace(/\{([^}]*)\}/g, (_, word: string) => {
    const value = Object.hasOwn(values, word) ? values[word] : undefined
    if (value === undefined) throw wrong(`has {${word}}`)
    return value
  })
  return { name: `${prefix}${resolved}`, ...(ttlMs !== undefined && { ttlMs }) }
}

/** A name's hash, so many characters of it. It stands for a name that is too long for its broker, or is not clear by itself. */
export function hashOf(name: string, chars: number): string {
  return createHash('sha256').update(name).digest('hex').slice(0, chars)
}
