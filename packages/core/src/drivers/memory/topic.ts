import { real } from '../../clock.ts'
import { Queue } from '../../collections/queue.ts'
import type { Message } from '../../driver.ts'
import { Group } from './group.ts'
import { type Kept, ownCopy } from './member.ts'

/** What is published while no group has started to read a topic waits for the first one, within these bounds. */
export const UNCLAIMED_MESSAGES = 1_000_000
export const UNCLAIMED_MS: number = 7 * 24 * 60 * 60_000

/** One topic: its groups, what no group has taken, and who only watches. */
export class Topic {
  readonly name: string
  readonly groups: Map<string, Group> = new Map()
  /** Those of `groups` that have started: each gets every message. */
  readonly #readers: Group[] = []
  #unclaimed: Queue<Kept> = new Queue()
  readonly #tails: Set<Tail> = new Set()

  constructor(name: string) {
    this.name = name
  }

  group(name: string): Group {
    let group = this.groups.get(name)
    if (!group) {
      group = new Group(this.name, name)
      this.groups.set(name, group)
    }
    group.known = true
    return group
  }

  /** Its dead letters stay. Without a group that reads the topic, what comes is kept for the next one. */
  remove(group: Group): void {
    const at = this.#readers.indexOf(group)
    if (at >= 0) this.#readers.splice(at, 1)
    const left = new Group(this.name, group.name, group.dead)
    left.known = false
    this.groups.set(group.name, left)
  }

  /** A group's first subscription. The first that wants everything takes what was kept; with 'latest' a group leaves it to another. */
  start(group: Group, from: 'earliest' | 'latest', now: number): void {
    if (group.started) return
    this.#dropOld(now)
    if (from === 'earliest') {
      group.start(this.#unclaimed)
      this.#unclaimed = new Queue()
    } else group.start(new Queue())
    this.#readers.push(group)
  }

  /** False when nobody reads the topic and no more can be kept. */
  add(message: Message, now: number): boolean {
    const kept = { message: ownCopy(message), at: now }
    for (const group of this.#readers) group.add(kept)
    if (this.#readers.length === 0) {
      this.#dropOld(now)
      if (this.#unclaimed.length >= UNCLAIMED_MESSAGES) return false
      this.#unclaimed.push(kept)
    }
    for (const tail of this.#tails) tail.add(ownCopy(message))
    return true
  }

  /** What a group that starts now with 'earliest' finds. */
  unclaimed(now: number): Queue<Kept> {
    this.#dropOld(now)
    return this.#unclaimed
  }

  get kept(): number {
    return this.#unclaimed.length
  }

  watch(from: 'now' | 'earliest', now: number, onMessages: (messages: readonly Message[]) => void): () => void {
    const tail = new Tail(onMessages)
    if (from === 'earliest') for (const { message } of this.unclaimed(now)) tail.add(message)
    this.#tails.add(tail)
    return () => {
      this.#tails.delete(tail)
      tail.stop()
    }
  }

  #dropOld(now: number): void {
    for (let oldest = this.#unclaimed.peek(); oldest && oldest.at <= now - UNCLAIMED_MS; oldest = this.#unclaimed.peek())
      this.#unclaimed.shift()
  }
}

/** Collects what is published and passes it on after I/O, as groups do. */
class Tail {
  readonly #onMessages: (messages: readonly Message[]) => void
  #batch: Message[] = []
  #stopped = false

  constructor(onMessages: (messages: readonly Message[]) => void) {
    this.#onMessages = onMessages
  }

  add(message: Message): void {
    if (this.#batch.length === 0)
      real.setImmediate(() => {
        const batch = this.#batch
        this.#batch = []
        if (!this.#stopped) this.#onMessages(batch)
      })
    this.#batch.push(message)
  }

  stop(): void {
    this.#stopped = true
  }
}
