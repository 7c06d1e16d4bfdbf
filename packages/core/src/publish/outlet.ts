import type { Message } from '../driver.ts'
import { asError, PublishError, type PublishFailure } from '../errors.ts'
import type { Observer } from '../observe/observer.ts'
import type { Outbox } from '../scope/companion.ts'
import type { Outlet, Recorded } from '../scope/scope.ts'
import { type PublishMiddleware, throughPublishMiddleware } from './middleware.ts'
import type { Publisher } from './publisher.ts'
import { writeInto } from './write.ts'

export interface OutletOptions {
  readonly publisher: Publisher
  readonly observer: Observer
  readonly middleware: readonly PublishMiddleware[]
  readonly outbox: Outbox | undefined
}

type Leaving = Pick<Recorded, 'message' | 'event'>

/** The way out of an instance: middleware, publisher, and what is said about the result. */
export function createOutlet({ publisher, observer, middleware, outbox }: OutletOptions): Outlet & {
  /** Hands messages that middleware has seen before to the broker. @throws PublishError */
  relay(messages: readonly Message[]): Promise<void>
  /** Resolves when what is on its way in the background is confirmed or has failed. */
  drain(): Promise<void>
  /** The publishes that are on their way in the background. */
  readonly background: { readonly size: number }
} {
  const background = new Set<Promise<void>>()

  function publish(recorded: readonly Recorded[]): Promise<void> {
    if (outbox && recorded.some(({ due }) => due !== undefined)) return publishApart(recorded)
    const messages = recorded.map(({ message }) => message)
    return observed(recorded, messages, middleware.length === 0 ? publisher.publish(messages) : eachThroughMiddleware(messages))
  }

  async function observed(recorded: readonly Leaving[], messages: readonly Message[], published: Promise<void>): Promise<void> {
    try {
      await published
    } catch (thrown) {
      observeFailure(recorded, asError(thrown))
      throw thrown
    }
    observer.published(
      messages,
      recorded.map(({ event }) => event),
    )
  }

  /** What is due later goes into the outbox, in a transaction of its own. A failure of the one keeps nothing of the other here. */
  async function publishApart(recorded: readonly Recorded[]): Promise<void> {
    const [now, later] = [recorded.filter(({ due }) => due === undefined), recorded.filter(({ due }) => due !== undefined)]
    const [written, published] = await Promise.allSettled([write(undefined, later), publish(now)])
    const failures: PublishFailure[] = []
    if (written.status === 'rejected') {
      observeFailure(later, asError(written.reason))
      failures.push(...failuresOf(written.reason, later))
    }
    if (published.status === 'rejected') failures.push(...failuresOf(published.reason, now))
    if (failures.length > 0) throw new PublishError(failures)
  }

  async function write(db: unknown, recorded: readonly Recorded[]): Promise<void> {
    if (!outbox) throw new Error('there is no outbox to write into')
    await writeInto(outbox, db, recorded, middleware)
  }

  function relay(messages: readonly Message[]): Promise<void> {
    const recorded = messages.map((message): Leaving => (message.event === undefined ? { message } : { message, event: message.event }))
    return observed(recorded, messages, publisher.publish(messages))
  }

  async function eachThroughMiddleware(messages: readonly Message[]): Promise<void> {
    let turn: Promise<unknown> = Promise.resolve()
    const results = await Promise.allSettled(
      messages.map((message) => {
        // Middleware may wait for something: a message leaves when the one before it has left, or never will.
        const before = turn
        const left = Promise.withResolvers<void>()
        turn = Promise.all([before, left.promise])
        const last = async (passed: Message): Promise<void> => {
          await before
          const published = publisher.publish([passed])
          left.resolve()
          await published
        }
        return throughPublishMiddleware(middleware, message, last).finally(left.resolve)
      }),
    )
    const failures = results.flatMap((result, i) => {
      if (result.status === 'fulfilled') return []
      const id = messages[i]?.id ?? ''
      const cause = asError(result.reason)
      // By the id its caller knows: middleware may have given it another.
      return cause instanceof PublishError ? cause.failures.map((failure) => ({ ...failure, id })) : [{ id, permanent: true, cause }]
    })
    if (failures.length > 0) throw new PublishError(failures, codeOf(results))
  }

  function observeFailure(recorded: readonly Leaving[], error: Error): void {
    const failed = error instanceof PublishError ? new Map(error.failures.map(({ id, cause }) => [id, cause])) : undefined
    for (const { message, event } of recorded) {
      const cause = failed ? failed.get(message.id) : error
      if (cause) observer.publishFailed(message, cause, event)
      else observer.published([message], [event])
    }
  }

  function publishInBackground(recorded: readonly Recorded[]): Promise<void> {
    const published = publish(recorded).catch((thrown: unknown) => {
      const error = asError(thrown)
      const failed = error instanceof PublishError ? new Map(error.failures.map(({ id, cause }) => [id, cause])) : undefined
      for (const { message, event } of recorded) {
        const cause = failed ? failed.get(message.id) : error
        if (cause) observer.backgroundPublishFailed(message, cause, event)
      }
    })
    background.add(published)
    return published.finally(() => background.delete(published))
  }

  async function drain(): Promise<void> {
    await Promise.all(background)
  }

  return { publish, publishInBackground, relay, write, drain, outbox, background }
}

function failuresOf(thrown: unknown, recorded: readonly Leaving[]): readonly PublishFailure[] {
  const cause = asError(thrown)
  return cause instanceof PublishError ? cause.failures : recorded.map(({ message: { id } }) => ({ id, permanent: false, cause }))
}

/** BACKPRESSURE, PUBLISH_TIMEOUT and the like, where all failed for the same reason. */
function codeOf(results: readonly PromiseSettledResult<void>[]): string | undefined {
  const codes = new Set(
    results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason instanceof PublishError ? result.reason.code : undefined] : [],
    ),
  )
  return codes.size === 1 ? [...codes][0] : undefined
}
