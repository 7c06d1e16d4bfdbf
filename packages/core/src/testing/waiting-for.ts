import { real } from '../clock.ts'
import type { Made } from '../messaging.ts'
import type { HandlerCall } from '../publish/middleware.ts'
import type { History } from './history.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** A handler that is running. */
export interface Running {
  readonly call: HandlerCall
  /** Ms of the real clock. */
  readonly since: number
}

/** The things that are under way in an instance under test. */
export interface UnderWay {
  readonly made: Made
  readonly clock: VirtualClock
  readonly history: History
  readonly running: ReadonlySet<Running>
  /** The resources that were open in the process before: the least that was seen. */
  openBefore: Resources
  /** The groups that read each topic. */
  readonly readers: ReadonlyMap<string, ReadonlySet<string>>
  /** Something was published or handed out since everything was last seen to be over. */
  dirty: boolean
}

const MOST_NAMED = 5
/** The resources that keep a process from its end: what Node calls them, and what people do. */
const RESOURCES: readonly [RegExp, string][] = [
  [/^Timeout$/, 'a real timer'],
  [/^(TCP|TLS|Pipe)|Socket|GetAddrInfo|HTTP/i, 'a real socket'],
  [/^FS/, 'a file'],
  [/^(ChildProcess|Process)/, 'another process'],
  [/^(MessagePort|Worker)/, 'a worker'],
]

/** Says in words what nothing moves without, with a guess of what that waits for itself. */
export function waitingFor({ running, openBefore, made: { parts } }: Pick<UnderWay, 'running' | 'openBefore' | 'made'>): string {
  const now = real.now()
  const handlers = [...running].map(
    ({ call: { handler, context }, since }) =>
      `${handler} has not ended, on ${context.id === '' ? 'a message' : `message ${context.id}`} of ${context.topic}, for ${Math.round(now - since)} ms`,
  )
  const others = parts.consumers.health().groups.flatMap(({ group, running: many, handling }) =>
    // Counted by the runtime from its session and decoder on, and here from the handler on.
    many > [...running].filter(({ call }) => call.context.group === group).length
      ? [`group ${group} is busy outside of its handlers (a session, an inbox, a decoder): ${handling.join(', ')}`]
      : [],
  )
  const { requests, publisher, outlet } = parts
  const rest = [
    ...(requests.open > 0 ? [`${requests.open} requests or sessions are open`] : []),
    ...(publisher.pending + outlet.background.size > 0 ? ['something is being published (a middleware that waits?)'] : []),
  ]
  const what = [...handlers, ...others, ...rest]
  const named = what.slice(0, MOST_NAMED).join('; ')
  const more = what.length > MOST_NAMED ? ` and ${what.length - MOST_NAMED} more` : ''
  return what.length === 0 ? 'No handler runs.' : `It waits: ${named}${more}. ${guess(openBefore)}`
}

/** Returns a guess: what keeps the process from its end, and is more than before. `process.getActiveResourcesInfo` counts no timer that is unref'd. */
function guess(before: Resources): string {
  const now = resources()
  const kinds = [...now].flatMap(([kind, count]) => (count > (before.get(kind) ?? 0) ? [kind] : []))
  const found = RESOURCES.filter(([kind]) => kinds.some((one) => kind.test(one))).map(([, name]) => name)
  const open =
    found.length === 0
      ? 'nothing real has been opened: perhaps a promise that nobody resolves'
      : `opened since the app began: ${found.join(', ')}`
  return `Time that a handler waits for itself is real time, which this clock does not move (${open}). Fake it, inject it, or give settled() longer: testApp({ patienceMs })`
}

/** Returns the least of each kind of two looks: what others open for a moment, such as a test runner, is in one of them. */
export const leastOf = (one: Resources, other: Resources): Resources =>
  new Map([...one].map(([kind, count]) => [kind, Math.min(count, other.get(kind) ?? 0)]))

export type Resources = ReadonlyMap<string, number>

/** Counts what is open in this process, by kind. */
export function resources(): Resources {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}
