import type { Burying } from '../driver.ts'

const LETTERS_AT_ONCE = 100

export interface BuryingSteps<P> {
  /** Where a group's letters of a topic go. @throws CorebusError NO_SUCH_GROUP, NO_DEAD_LETTERS */
  readonly placeOf: (topic: string, group: string) => P | Promise<P>
  readonly store: (letter: Burying, place: P) => Promise<unknown>
}

/** Stores letters in their places, which are all looked up before the first is stored. */
export async function buryInPlaces<P>(letters: readonly Burying[], { placeOf, store }: BuryingSteps<P>): Promise<void> {
  const places = new Map<string, P>()
  const nameOf = ({ message: { topic }, group }: Burying) => JSON.stringify([topic, group])
  for (const letter of letters) {
    const name = nameOf(letter)
    if (!places.has(name)) places.set(name, await placeOf(letter.message.topic, letter.group))
  }
  for (let from = 0; from < letters.length; from += LETTERS_AT_ONCE) {
    // Each place was looked up above. All are waited for: whoever is told of the one that failed knows then that no other is on its way.
    const some = letters.slice(from, from + LETTERS_AT_ONCE).map(async (letter) => store(letter, places.get(nameOf(letter)) as P))
    const failed = (await Promise.allSettled(some)).find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }
}
