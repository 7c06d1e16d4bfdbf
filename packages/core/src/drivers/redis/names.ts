/** Keys. Topics and groups have no colon or brace, so nothing of ours can be taken for something of another topic or group. */
export interface Names {
  readonly prefix: string
  /** The stream of a topic. All its other keys have its name in braces, so that in a cluster they lie beside it. */
  readonly stream: (topic: string) => string
  /** What comes to one group again: retries that are due, replayed dead letters. */
  readonly again: (topic: string, group: string) => string
  /** Who may hold messages, each until when. */
  readonly members: (topic: string, group: string) => string
  /** Retries that are not due: by time, and what they are. */
  readonly delayed: (topic: string, group: string) => string
  readonly waiting: (topic: string, group: string) => string
  /** When the group was last looked after, and below what all of it is settled. */
  readonly state: (topic: string, group: string) => string
  /** The stream of a dead-letter place, the part of one topic. */
  readonly place: (topic: string, place: string) => string
  /** What groups and places of a topic were declared, and whether its stream is ours. */
  readonly declared: (topic: string) => string
  /** What the members of a group say of themselves, of all its topics. */
  readonly notes: (group: string) => string
  /** Every topic there is. */
  readonly topics: string
}

/** What the scripts of a member work on, in their order. */
export function keysOf(names: Names, topic: string, group: string): readonly string[] {
  const { stream, again, members, delayed, waiting, state, declared } = names
  return [stream(topic), ...[again, members, delayed, waiting, state].map((name) => name(topic, group)), declared(topic)]
}

export function namesWith(prefix: string): Names {
  const beside = (topic: string, rest: string) => `{${prefix}${topic}}:${rest}`
  const ofGroup = (what: string) => (topic: string, group: string) => beside(topic, `group:${group}:${what}`)
  return {
    prefix,
    stream: (topic) => `${prefix}${topic}`,
    again: ofGroup('again'),
    members: ofGroup('members'),
    delayed: ofGroup('delayed'),
    waiting: ofGroup('waiting'),
    state: ofGroup('state'),
    place: (topic, place) => beside(topic, `dead:${place}`),
    declared: (topic) => beside(topic, 'declared'),
    notes: (group) => `${prefix}corebus:notes:${group}`,
    topics: `${prefix}corebus:topics`,
  }
}
