import { targetWords } from '../config/letter-target-options.ts'
import type { Admin, DeadLetterFilter, LetterTarget } from '../driver.ts'

/** Where to look for the letters of a group that has none here: a line for each group that a filter is about. */
export async function lettersElsewhere(
  admin: Admin,
  { topic, group }: Pick<DeadLetterFilter, 'topic' | 'group'>,
): Promise<readonly string[]> {
  const all = await admin.topics(topic === undefined ? undefined : [topic])
  return all.flatMap(({ topic: of, lettersTo = {} }) =>
    Object.entries(lettersTo)
      .filter(([name]) => (group ?? name) === name)
      .map(([name, to]) => elsewhereLine(of, name, to)),
  )
}

export function elsewhereLine(topic: string, group: string, to: LetterTarget): string {
  return `the dead letters of group ${group} on topic ${topic} go to ${targetWords(to)}, which belongs to others: look for them there`
}
