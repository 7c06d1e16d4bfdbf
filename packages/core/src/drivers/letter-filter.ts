import type { DeadLetterFilter, Message } from '../driver.ts'

interface Letter {
  readonly message: Pick<Message, 'id' | 'topic'>
  readonly group: string
}

/** Whether a letter fits: its topic, group and id. Which places there are for a filter is another question. */
export function letterFits({ topic, group, ids }: DeadLetterFilter): (letter: Letter) => boolean {
  const wanted = ids && new Set(ids)
  return ({ message, group: whose }) =>
    (topic ?? message.topic) === message.topic && (group ?? whose) === whose && (wanted?.has(message.id) ?? true)
}

interface Declared {
  readonly topic: string
  readonly group: string
  readonly place?: { readonly name: string }
}

/** Whether what a group declared for a topic may have letters that fit. */
export function placeFits({ topic, group, place }: DeadLetterFilter): (declared: Declared) => boolean {
  return (declared) =>
    declared.place !== undefined &&
    (topic ?? declared.topic) === declared.topic &&
    (group ?? declared.group) === declared.group &&
    (place ?? declared.place.name) === declared.place.name
}
