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

/** What is under way in an instance under test. */
export interface UnderWay {
  readonly made: Made
  readonly clock: VirtualClock
  readonly history: History
  readonly running: ReadonlySet<Running>
  /** The groups that read each topic. */
  readonly readers: ReadonlyMap<string, ReadonlySet<string>>
  /** Something was published or handed out since everything was last seen to be over. */
  dirty: boolean
}

const MOST_NAMED = 5
/** What Node calls what keeps a process from its end, and what people call it. */
const RESOURCES: readonly [RegExp, string][] = [
  [/^Timeout$/, 'a real timer'],
  [/^(TCP|TLS|Pipe)|Socket|GetAddrInfo|HTTP/i, 'a real socket'],
  [/^FS/, 'a file'],
  [/^(ChildProcess|Process)/, 'another process'],
  [/^(MessagePort|Worker)/, 'a worker'],
]

/** What nothing moves without, in words, with a guess of what it waits for itself. */
export function waitingFor({ running, made: { parts } }: Pick<UnderWay, 'running' | 'made'>): string {
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
  return what.length === 0 ? 'No handler runs.' : `It waits: ${named}${more}. ${guess()}`
}

function guess(): string {
  const kinds = process.getActiveResourcesInfo()
  const found = RESOURCES.filter(([kind]) => kinds.some((one) => kind.test(one))).map(([, name]) => name)
  const open =
    found.length === 0
      ? 'nothing real is open in this process: perhaps a promise that nobody resolves'
      : `open in this process: ${found.join(', ')}`
  return `Time that a handler waits for itself is real time, which this clock does not move (${open}). Fake it, inject it, or give settled() longer: testApp({ patienceMs })`
}
