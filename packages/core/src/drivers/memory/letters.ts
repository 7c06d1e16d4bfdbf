import type { Burying, Clock, DeadLetterFilter, DeadLetterPage, DeadLetterPaging, Message, ReplayPace } from '../../driver.ts'
import { cursorOf, positionIn } from '../cursor.ts'
import { keepsNone, notDeclared } from '../groups.ts'
import { LetterBatches } from '../letter-batches.ts'
import { letterFits } from '../letter-filter.ts'
import { OldestFirst } from '../oldest-first.ts'
import type { Broker } from './broker.ts'
import type { DeadLetters, Letter } from './dead-letters.ts'
import type { Group } from './group.ts'
import { ownCopy, withHeaders } from './member.ts'
import type { Topic } from './topic.ts'

export type PlaceOf = (group: Group) => { readonly place: string; readonly ttlMs: number }

export interface StoreOptions {
  readonly broker: Broker
  readonly clock: Clock
  readonly placeOf: PlaceOf
}

export interface LettersOptions extends StoreOptions {
  /** Topics without it belong to somebody else. */
  readonly prefix: string
}

/** Makes a message a dead letter of its group, behind all others. */
export function store(
  { group, message }: { readonly group: Group; readonly message: Message },
  { broker, clock, placeOf }: StoreOptions,
): void {
  const { place, ttlMs } = placeOf(group)
  const at = clock.now()
  group.dead.add({ message, group: group.name, place, at, expiresAt: at + ttlMs, position: broker.nextLetter() })
}

/** What is done by hand to the dead letters of all groups. */
export class Letters {
  readonly #options: LettersOptions

  constructor(options: LettersOptions) {
    this.#options = options
  }

  page(filter: DeadLetterFilter, { limit = Number.POSITIVE_INFINITY, after }: DeadLetterPaging = {}): DeadLetterPage {
    const from = after === undefined ? 0 : positionIn('memory', after, isPosition)
    const oldest = new OldestFirst<Letter>(limit, (one, other) => one.position - other.position)
    for (const { dead } of this.#groupsFor(filter)) for (const letter of this.#fitting(dead, filter, from)) if (!oldest.add(letter)) break
    const { found, isMore } = oldest.page()
    const letters = found.map(({ message, group, place, at }) => ({ message: ownCopy(message), group, place, at }))
    return { letters, ...(isMore && { next: cursorOf('memory', found.at(-1)?.position) }) }
  }

  async replay(filter: DeadLetterFilter, headers: Message['headers'], pace?: ReplayPace): Promise<number> {
    const { broker } = this.#options
    // A letter that dies again while others are handed back is a new one, and stays.
    const last = broker.lastLetter
    const batches = new LetterBatches(async (letter: Letter) => this.#handBack(letter, headers), pace)
    for (const group of this.#groupsFor(filter)) {
      const page: Letter[] = []
      for (const letter of this.#fitting(group.dead, filter, 0)) {
        if (letter.position > last) break
        if (page.push(letter) === batches.atOnce) await batches.run(page.splice(0))
      }
      await batches.run(page)
    }
    return batches.counted()
  }

  purge(filter: DeadLetterFilter): number {
    let purged = 0
    for (const { dead } of this.#groupsFor(filter))
      for (const letter of this.#fitting(dead, filter, 0)) {
        dead.remove(letter)
        purged++
      }
    return purged
  }

  bury(letters: readonly Burying[]): void {
    for (const { group, message } of letters.map((letter) => this.#declared(letter)))
      store({ group, message: ownCopy(message) }, this.#options)
  }

  /** @returns false when it is gone meanwhile. */
  #handBack(letter: Letter, headers: Message['headers']): boolean {
    const { broker, prefix, clock } = this.#options
    if (letter.isGone || letter.expiresAt <= clock.now()) return false
    const { message, group: name } = letter
    const group = broker.topic(`${prefix}${message.topic}`).group(name)
    group.dead.remove(letter)
    group.addAgain({ message: withHeaders(message, headers), at: clock.now() })
    return true
  }

  *#fitting(dead: DeadLetters, filter: DeadLetterFilter, from: number): Iterable<Letter> {
    const fits = letterFits(filter)
    for (const letter of dead.behind(from, this.#options.clock.now()))
      if (fits(letter) && (filter.place ?? letter.place) === letter.place) yield letter
  }

  // A filter's topic is a name without the prefix, as in messages; letters hold those too.
  #groupsFor({ topic, group }: DeadLetterFilter): readonly Group[] {
    const { broker, prefix } = this.#options
    return [...broker.topics.values()]
      .filter(({ name }) => name.startsWith(prefix) && (topic === undefined || name === `${prefix}${topic}`))
      .flatMap(({ groups }: Topic) => [...groups.values()].filter(({ name }) => group === undefined || name === group))
  }

  /** @throws CorebusError NO_SUCH_GROUP, NO_DEAD_LETTERS */
  #declared({ message, group: name }: Burying): { readonly message: Message; readonly group: Group } {
    const { broker, prefix } = this.#options
    const { topic } = message
    const group = broker.topics.get(`${prefix}${topic}`)?.groups.get(name)
    if (!group?.known) throw notDeclared({ topic, group: name })
    if (group.deadLetterPlace === false) throw keepsNone({ topic, group: name })
    return { message, group }
  }
}

function isPosition(value: unknown): value is number {
  return Number.isSafeInteger(value)
}
