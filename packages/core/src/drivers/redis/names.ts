import { CorebusError } from '../../errors.ts'
import { slotOf } from './slot.ts'

/**
 * Keys. What is ours lies beside the stream that it is about, under a name with the stream's hash tag, so that in a cluster both are on one node.
 * Topics and groups have no colon or brace, so nothing of ours can be taken for something of another topic or group.
 */
export interface Names {
  readonly prefix: string
  /** The stream of a topic: the key that the user gave it, or its name. */
  readonly stream: (topic: string) => string
  /** What comes to one group again: retries that are due, replayed dead letters. */
  readonly again: (stream: string, group: string) => string
  /** Who may hold messages, each until when. */
  readonly members: (stream: string, group: string) => string
  /** Retries that are not due: by time, and what they are. */
  readonly delayed: (stream: string, group: string) => string
  readonly waiting: (stream: string, group: string) => string
  /** When the group was last looked after, and below what all of it is settled. */
  readonly state: (stream: string, group: string) => string
  /** The stream of a dead-letter place, the part of one topic. */
  readonly place: (stream: string, place: string) => string
  /** The same of a topic whose messages come from a stream of others, which several topics may read. */
  readonly placeOf: (stream: string, topic: string, place: string) => string
  /** Of a topic by its stream: what groups and places were declared, and whether the stream is ours. */
  readonly declared: (stream: string) => string
  /** Where a topic is noted that the user gave another key: tools that were not told find it here. */
  readonly note: (topic: string) => string
  /** What the members of a group say of themselves, of all its topics. */
  readonly notes: (group: string) => string
  /** Every topic there is. */
  readonly topics: string
}

/** What the scripts of a member work on, in their order. */
export function keysOf(names: Names, stream: string, group: string): readonly string[] {
  const { again, members, delayed, waiting, state, declared } = names
  return [stream, ...[again, members, delayed, waiting, state].map((name) => name(stream, group)), declared(stream)]
}

/** @throws CorebusError NAME for a key that cannot be a topic's */
export function namesWith(prefix: string, given: Readonly<Record<string, string>> = {}): Names {
  const ours = `${prefix}corebus:`
  for (const [topic, key] of Object.entries(given))
    if (key === '' || key.startsWith(ours))
      throw new CorebusError(
        'NAME',
        `names.${topic}: a stream cannot have the key ${JSON.stringify(key)}: ${key === '' ? 'it is empty' : `what begins with ${ours} is ours`}`,
      )
  const own = (topic: string) => `${prefix}${topic}`
  const befores = new Map<string, string>()
  const beside = (stream: string, rest: string) => {
    const before = befores.get(stream) ?? besides(stream)
    befores.set(stream, before)
    return `${before}${rest}`
  }
  const ofGroup = (what: string) => (stream: string, group: string) => beside(stream, `group:${group}:${what}`)
  return {
    prefix,
    stream: (topic) => (Object.hasOwn(given, topic) ? (given[topic] as string) : own(topic)),
    again: ofGroup('again'),
    members: ofGroup('members'),
    delayed: ofGroup('delayed'),
    waiting: ofGroup('waiting'),
    state: ofGroup('state'),
    place: (stream, place) => beside(stream, `dead:${place}`),
    placeOf: (stream, topic, place) => beside(stream, `topic:${topic}:dead:${place}`),
    declared: (stream) => beside(stream, 'declared'),
    note: (topic) => beside(own(topic), 'declared'),
    notes: (group) => `${ours}notes:${group}`,
    topics: `${ours}topics`,
  }
}

/**
 * What our keys beside a stream begin with. Of a key without braces all of it is the hash tag. One that has a tag shares it with other keys, so
 * its whole name follows. Where Redis hashes all of a key that no tag can hold, because of a brace in it, a number stands for it that has its slot.
 */
function besides(stream: string): string {
  if (!/[{}]/.test(stream)) return `{${stream}}:`
  const tag = /^[^{]*\{([^}]+)\}/.exec(stream)?.[1] ?? numberIn(slotOf(stream))
  return `{${tag}}:of:${stream}:`
}

function numberIn(slot: number): string {
  for (let n = 0; ; n++) if (slotOf(`{${n}}`) === slot) return String(n)
}
