import { held } from '../clock.ts'
import type { Clock, ConnectionState, Driver, Message, PublishOptions, SubscribeOptions, TailOptions } from '../driver.ts'
import { type CorebusError, noneTaken } from '../errors.ts'
import { PublishCall } from './pending.ts'
import { type Member, Readers, type Tail } from './readers.ts'

/** What the driver of a server does while it is not closed. */
export interface Open
  extends Pick<Driver, 'name' | 'capabilities' | 'admin' | 'members' | 'ensure' | 'pipelinedBatch' | 'trouble' | 'raw'> {
  readonly connect: (onState: (state: ConnectionState) => void) => Promise<void>
  /** Tells the call of each message, also of those that it cannot publish. */
  readonly publish: (messages: readonly Message[], call: PublishCall) => Promise<void> | void
  readonly subscribe: (options: SubscribeOptions) => Promise<Member>
  readonly tail: (options: TailOptions) => Promise<Tail>
  /** Resolves when what was published is confirmed or has failed, or cannot be waited for. */
  readonly flush: () => Promise<unknown>
  /** Nothing is published or read any more. */
  readonly disconnect: () => Promise<unknown>
}

export interface LifecycleOptions {
  readonly clock: Clock
  readonly publishTimeoutMs: number
  /** Aborted when the driver begins to close, before anything else happens. */
  readonly closing: AbortController
  readonly closed: () => CorebusError
}

/**
 * A driver that refuses what comes after its close, and closes once: it flushes before it hands back what it reads, because what was handled may
 * still be publishing, and hands back before it disconnects.
 */
export function withLifecycle(driver: Open, { clock, publishTimeoutMs, closing, closed }: LifecycleOptions): Driver {
  const { connect, publish, subscribe, tail, flush, disconnect, ...rest } = driver
  const readers = new Readers()
  let ended: Promise<void> | undefined

  const throwIfClosing = () => {
    if (closing.signal.aborted) throw closed()
  }

  async function end(): Promise<void> {
    closing.abort()
    await readers.opened()
    await flush()
    await readers.end()
    await disconnect()
    readers.letGo()
  }

  return {
    ...rest,
    async connect(onState) {
      throwIfClosing()
      await connect(onState)
    },
    async publish(messages: readonly Message[], { withinMs = publishTimeoutMs }: PublishOptions = {}) {
      if (messages.length === 0) return
      if (closing.signal.aborted) throw noneTaken(messages, closed())
      const call = new PublishCall({ messages: messages.length, clock, withinMs })
      await Promise.all([publish(messages, call), call.stored])
    },
    async subscribe(options) {
      throwIfClosing()
      return readers.subscription(subscribe(options))
    },
    async tail(options) {
      throwIfClosing()
      return readers.tail(tail(options))
    },
    close() {
      ended ??= held(end)
      return ended
    },
  }
}
