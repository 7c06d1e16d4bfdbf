import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { real } from '../clock.ts'
import type { Message } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { observed } from '../instance/guard.ts'
import type { Messaging, Types } from '../messaging.ts'
import { CHANNEL, type HandleRecord, type PublishRecord, type SettleRecord } from '../observe/channels.ts'
import type { EventType } from '../wire/event-type.ts'
import { fits, type Wanted } from './fits.ts'
import { type DeadMessage, type HandledMessage, History, type Of, type PublishedMessage } from './history.ts'
import { kit } from './kit.ts'

export interface SeenOptions {
  /** Default: any. */
  readonly group?: string
  /** In ms of real time. Default 5,000. */
  readonly timeoutMs?: number
}

/**
 * A view of what an instance on a real broker does, as tests wait for it. Each call asks for what has happened since `observe`, or happens until its
 * deadline.
 */
export interface Spy {
  /** @throws CorebusError TEST_NOT_SEEN at the deadline, with what was seen instead */
  handled<Data = unknown>(
    of: EventType<string, Data> | string,
    data?: Wanted<NoInfer<Data>>,
    options?: SeenOptions,
  ): Promise<HandledMessage & { readonly data: Data }>
  /** @throws CorebusError TEST_NOT_SEEN at the deadline, with what was seen instead */
  published<Data = unknown>(
    of: EventType<string, Data> | string,
    data?: Wanted<NoInfer<Data>>,
    options?: Omit<SeenOptions, 'group'>,
  ): Promise<PublishedMessage & { readonly data: Data }>
  /** @throws CorebusError TEST_NOT_SEEN at the deadline, with what was seen instead */
  deadLettered<Data = unknown>(
    of: EventType<string, Data> | string,
    data?: Wanted<NoInfer<Data>>,
    options?: SeenOptions,
  ): Promise<DeadMessage>
  /** Returns what was seen so far, in at most 30 lines. */
  timeline(): string
  /** Looks no longer. */
  close(): void
  [Symbol.dispose](): void
}

/**
 * Looks at an instance on the broker that it is configured for, through the diagnostics channels of this process: what it publishes, handles and gives up.
 * Call it before the instance is started. An instance that the test kit has put on memory goes to its own broker with this, unless an app has it.
 */
export async function observe(messaging: Messaging<Types>): Promise<Spy> {
  const standIn = kit.has(messaging)
  if (standIn && standIn.takenBy === undefined) await standIn.onItsOwn()
  observed().add(standIn ? standIn.behind : messaging)
  const history = new History({ now: Date.now, formats: () => undefined })
  const waiting = new Set<() => void>()
  const stop = listen(messaging, history, () => {
    for (const look of [...waiting]) look()
  })

  function seen<T extends { readonly data: unknown }>(
    what: string,
    of: Of,
    wanted: unknown,
    timeoutMs: number,
    found: () => readonly T[],
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const one = found().find(({ data }) => wanted === undefined || fits(wanted, data))
        if (!one) return
        over()
        resolve(one)
      }
      const timer = real.setTimeout(() => {
        over()
        reject(notSeen(what, of, wanted, timeoutMs, history))
      }, timeoutMs)
      const over = (): void => {
        waiting.delete(look)
        real.clearTimeout(timer)
      }
      waiting.add(look)
      look()
    })
  }

  return {
    handled: (of, data, { group, timeoutMs = 5_000 } = {}) =>
      seen('handled', of as Of, data, timeoutMs, () => history.handled(of as Of, group)) as Promise<never>,
    published: (of, data, { timeoutMs = 5_000 } = {}) =>
      seen('published', of as Of, data, timeoutMs, () => history.published(of as Of)) as Promise<never>,
    deadLettered: (of, data, { group, timeoutMs = 5_000 } = {}) =>
      seen('dead-lettered', of as Of, data, timeoutMs, () => history.dead(of as Of, group)),
    timeline: () => history.timeline.text(),
    close: stop,
    [Symbol.dispose]: stop,
  }
}

/** The channels say what happened, and by ids to what; bodies are in the hands of the instance alone, whose middleware shows them. */
function listen(messaging: Messaging<Types>, history: History, onMove: () => void): () => void {
  const leaving = new Map<string, Message>()
  messaging.use({
    publish: (message, next) => {
      leaving.set(`${message.topic}\0${message.id}`, message)
      return next(message)
    },
    handle: (call, next) => {
      history.call(call)
      return next()
    },
  })
  const listeners: readonly [string, (record: never) => void][] = [
    [
      CHANNEL.publish,
      ({ id, topic, event, error }: PublishRecord) => {
        const key = `${topic}\0${id}`
        if (!error)
          history.publish(leaving.get(key) ?? { id, topic, headers: {}, body: new Uint8Array(), ...(event !== undefined && { event }) })
        leaving.delete(key)
      },
    ],
    [CHANNEL.handle, (record: HandleRecord) => history.handle(record)],
    [CHANNEL.settle, (record: SettleRecord) => history.settle(record)],
  ]
  const subscribed = listeners.map(([name, told]) => {
    const listener = (record: unknown): void => {
      if ((record as HandleRecord).instance !== messaging.instance) return
      told(record as never)
      onMove()
    }
    subscribe(name, listener)
    return [name, listener] as const
  })
  return () => {
    for (const [name, listener] of subscribed) unsubscribe(name, listener)
  }
}

function notSeen(what: string, of: Of, wanted: unknown, timeoutMs: number, history: History): CorebusError {
  const name = typeof of === 'string' ? `message of ${of}` : of.name
  const like =
    wanted === undefined
      ? ''
      : ` like ${typeof wanted === 'function' ? 'what was asked for' : inspect(wanted, { breakLength: Number.POSITIVE_INFINITY })}`
  return new CorebusError(
    'TEST_NOT_SEEN',
    `no ${name}${like} was ${what} within ${timeoutMs} ms. What was seen instead:\n${history.timeline.text()}`,
  )
}
