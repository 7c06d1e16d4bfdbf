import type { Clock } from '../../driver.ts'
import { Delays } from './delays.ts'
import type { Group } from './group.ts'
import type { Kept } from './member.ts'
import { Topic } from './topic.ts'

/** By member, each until when on its own clock. */
export type MemberNotes = Map<string, { readonly note: string; readonly isOver: () => boolean }>

interface Returning {
  readonly group: Group
  readonly kept: Kept
}

/** What all drivers of one name in this process share. It lives as long as the process; nothing of it outlives that. */
export class Broker {
  readonly topics: Map<string, Topic> = new Map()
  /** By group, what its members say of themselves. */
  readonly notes: Map<string, MemberNotes> = new Map()
  /** One per clock: a delay ends on the clock it was asked on, whatever the others say. */
  readonly #delays: Map<Clock, Delays<Returning>> = new Map()
  #letters = 0

  topic(name: string): Topic {
    let topic = this.topics.get(name)
    if (!topic) {
      topic = new Topic(name)
      this.topics.set(name, topic)
    }
    return topic
  }

  /** The position of the dead letter that was stored last. */
  get lastLetter(): number {
    return this.#letters
  }

  nextLetter(): number {
    return ++this.#letters
  }

  delay(group: Group, kept: Kept, afterMs: number, clock: Clock): void {
    let delays = this.#delays.get(clock)
    if (!delays) {
      delays = new Delays(clock, (due) => due.group.addAgain(due.kept))
      this.#delays.set(clock, delays)
    }
    delays.add({ group, kept }, afterMs)
  }

  forget(group: Group): void {
    for (const delays of this.#delays.values()) delays.remove((due) => due.group === group)
  }

  delayed(group: Group): readonly Kept[] {
    return [...this.#delays.values()].flatMap((delays) => [...delays].filter((due) => due.group === group).map(({ kept }) => kept))
  }
}

// The last part is the layout of what lies there: two versions of this package in one process must not read each other's.
const BROKERS = Symbol.for('corebus.memory.3')

/** Modules may be loaded twice (two copies of the package, a test runner): the broker of a name is still one. */
export function brokerNamed(name: string): Broker {
  const place = globalThis as { [BROKERS]?: Map<string, Broker> }
  place[BROKERS] ??= new Map()
  let broker = place[BROKERS].get(name)
  if (!broker) {
    broker = new Broker()
    place[BROKERS].set(name, broker)
  }
  return broker
}
