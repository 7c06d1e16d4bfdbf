import type { Message } from './driver.ts'
import { asError, PublishError } from './errors.ts'
import { type PublishMiddleware, throughPublishMiddleware } from './middleware.ts'
import type { Observer } from './observe.ts'
import type { Publisher } from './producer.ts'
import type { Outlet, Recorded } from './scope.ts'

export interface OutletOptions {
  readonly publisher: Publisher
  readonly observer: Observer
  readonly middleware: readonly PublishMiddleware[]
  readonly hasOutbox: boolean
}

/** The way out of an instance: middleware, publisher, and what is said about the result. */
export function createOutlet({ publisher, observer, middleware, hasOutbox }: OutletOptions): Outlet {
  async function publish(recorded: readonly Recorded[]): Promise<void> {
    const messages = recorded.map(({ message }) => message)
    try {
      await (middleware.length === 0 ? publisher.publish(messages) : eachThroughMiddleware(messages))
    } catch (thrown) {
      observeFailure(recorded, asError(thrown))
      throw thrown
    }
    observer.published(
      messages,
      recorded.map(({ event }) => event),
    )
  }

  async function eachThroughMiddleware(messages: readonly Message[]): Promise<void> {
    const results = await Promise.allSettled(messages.map((message) => throughPublishMiddleware(middleware, message, (passed) => publisher.publish([passed]))))
    const failures = results.flatMap((result, i) => {
      if (result.status === 'fulfilled') return []
      const cause = asError(result.reason)
      return cause instanceof PublishError ? cause.failures : [{ id: messages[i]?.id ?? '', permanent: true, cause }]
    })
    if (failures.length > 0) throw new PublishError(failures)
  }

  function observeFailure(recorded: readonly Recorded[], error: Error): void {
    const failed = error instanceof PublishError ? new Map(error.failures.map(({ id, cause }) => [id, cause])) : undefined
    for (const { message, event } of recorded) {
      const cause = failed ? failed.get(message.id) : error
      if (cause) observer.publishFailed(message, cause, event)
      else observer.published([message], [event])
    }
  }

  function publishInBackground(recorded: readonly Recorded[]): void {
    publish(recorded).catch((thrown: unknown) => {
      const error = asError(thrown)
      const failed = error instanceof PublishError ? new Map(error.failures.map(({ id, cause }) => [id, cause])) : undefined
      for (const { message, event } of recorded) {
        const cause = failed ? failed.get(message.id) : error
        if (cause) observer.backgroundPublishFailed(message, cause, event)
      }
    })
  }

  return { publish, publishInBackground, hasOutbox }
}
