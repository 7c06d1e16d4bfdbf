import type { LetterTarget } from '../../driver.ts'
import type { CorebusError } from '../../errors.ts'
import { notTaken, readsItself, wrongTarget } from '../letter-target.ts'

interface LettersOf {
  readonly topic: string
  readonly group: string
}

/** Its name. `reads` is the one that the group reads. @throws CorebusError TARGET for what is none of Kafka's, or leads back to the group */
export function letterTopicOf(to: LetterTarget, of: LettersOf, reads: string): string {
  if (!('topic' in to)) throw wrongTarget(of, `${JSON.stringify(to)} is nothing of Kafka, where it can be { topic } alone`)
  if (to.topic === reads) throw readsItself(of, `the topic ${reads}`)
  return to.topic
}

/** Metadata says the same of a topic that the user may not see. */
export function noLetterTopic(name: string, of: LettersOf): CorebusError {
  return wrongTarget(
    of,
    `there is no topic ${name} on Kafka, or the user may not see it: topics of others are not made here. Correct deadLetter: { to }, or let its owner make it first`,
  )
}

export function letterTopicGone(name: string): CorebusError {
  return notTaken(`the topic ${name}`, "there is none any more, and it is its owner's to make")
}
