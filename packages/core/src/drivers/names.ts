import { CorebusError } from '../errors.ts'

export interface DeadLetterPlaceOptions {
  readonly topic: string
  readonly group: string
  readonly service: string
  readonly prefix: string
  /** A template with {topic}, {group} and {service}. */
  readonly name?: string
}

/**
 * Where the dead letters of one (group, topic) lie, in full. Two groups may share a place: what lies there knows its group.
 * @throws CorebusError DEAD_LETTER_NAME when the template is empty or has a placeholder that does not exist.
 */
export function deadLetterPlace({ topic, group, service, prefix, name = '{topic}.{group}.dlq' }: DeadLetterPlaceOptions): string {
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
  return `${prefix}${resolved}`
}
