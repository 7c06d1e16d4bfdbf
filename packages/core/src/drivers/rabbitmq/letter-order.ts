import { createHash } from 'node:crypto'
import type { DeadLetter } from '../../driver.ts'
import { cursorOf, positionIn } from '../cursor.ts'
import type { Letter } from './letter.ts'

/** Where a letter comes among others: by what it says of itself, since a queue has no places that one could come back to. */
interface Key {
  readonly time: number
  readonly place: string
  readonly id: string
  /** Tells it from others of its time, place and id. */
  readonly fingerprint: string
}

/** The last letter of a page, and how many that are just like it were shown by then. */
type Position = readonly [time: number, place: string, id: string, fingerprint: string, shown: number]

/** A letter and its key. */
export class Placed implements Key {
  readonly letter: DeadLetter
  readonly time: number
  #fingerprint: string | undefined

  constructor({ message, group, place, at, time }: Letter) {
    this.letter = { message, group, place, at }
    this.time = time
  }

  get place(): string {
    return this.letter.place
  }

  get id(): string {
    return this.letter.message.id
  }

  get fingerprint(): string {
    this.#fingerprint ??= fingerprintOf(this.letter)
    return this.#fingerprint
  }
}

function fingerprintOf({ message: { key, headers, body }, group }: DeadLetter): string {
  const beside = JSON.stringify([group, key, headers])
  return createHash('sha256').update(beside).update(body).digest('base64url').slice(0, 16)
}

/** Oldest first. */
export function inOrder(one: Key, other: Key): number {
  return (
    one.time - other.time || compared(one.place, other.place) || compared(one.id, other.id) || compared(one.fingerprint, other.fingerprint)
  )
}

function compared(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** Where a page ended. */
export class PageEnd {
  readonly #key: Key
  readonly #shown: number
  #same = 0

  /** @throws CorebusError CURSOR */
  constructor(cursor: string) {
    const [time, place, id, fingerprint, shown] = positionIn('rabbitmq', cursor, isPosition)
    this.#key = { time, place, id, fingerprint }
    this.#shown = shown
  }

  /** Whether a letter comes behind it. Asked once of each: of those that are all the same it lets pass as many as were not shown. */
  isBefore(one: Placed): boolean {
    const order = inOrder(one, this.#key)
    return order > 0 || (order === 0 && ++this.#same > this.#shown)
  }

  /** How many just like this one the pages up to it have shown. */
  shown(one: Placed): number {
    return inOrder(one, this.#key) === 0 ? this.#shown : 0
  }
}

/** The cursor of a page that goes on behind these. */
export function nextAfter(page: readonly Placed[], before: PageEnd | undefined): string {
  const last = page.at(-1) as Placed
  const { time, place, id, fingerprint } = last
  const shown = page.filter((one) => inOrder(one, last) === 0).length + (before?.shown(last) ?? 0)
  return cursorOf('rabbitmq', [time, place, id, fingerprint, shown] satisfies Position)
}

function isPosition(value: unknown): value is Position {
  const [time, place, id, fingerprint, shown]: readonly unknown[] = Array.isArray(value) ? value : []
  return typeof time === 'number' && [place, id, fingerprint].every((one) => typeof one === 'string') && Number.isSafeInteger(shown)
}
