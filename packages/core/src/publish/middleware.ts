import type { Message } from '../driver.ts'
import type { HandlerContext } from '../handlers/handler.ts'
import { callable, type Option } from '../options/option.ts'

/**
 * Around every publish, encoded and checked: add headers, measure, refuse by throwing. Call `next` once. What goes into an outbox passes it when it is
 * written, and `next` resolves when it is part of the transaction; an error rolls that back.
 */
export type PublishMiddleware = (message: Message, next: (message: Message) => Promise<void>) => Promise<void>

/** The first one used is the outermost. */
export interface Middleware {
  readonly publish?: PublishMiddleware
  readonly handle?: HandleMiddleware
}

export const MIDDLEWARE: Readonly<Record<keyof Middleware, Option>> = {
  publish: {
    default: 'none',
    must: callable,
    text: 'around every publish, `(message, next) => next(message)`. What goes into an outbox passes it when it is written, and `next` resolves when it is part of the transaction',
  },
  handle: { default: 'none', must: callable, text: 'around every handler call, `({ handler, input, context }, next) => next()`' },
}

export function throughPublishMiddleware(
  layers: readonly PublishMiddleware[],
  message: Message,
  last: (message: Message) => Promise<void>,
): Promise<void> {
  const step = async (i: number, passed: Message): Promise<void> => {
    const layer = layers[i]
    return layer ? layer(passed, (next) => step(i + 1, next)) : last(passed)
  }
  return step(0, message)
}

/** Around the handler call only: decoding, session, inbox and settlement are not its business. */
export type HandleMiddleware = (call: HandlerCall, next: () => Promise<unknown>) => Promise<unknown>

export interface HandlerCall {
  readonly handler: string
  /** What the handler will get. */
  readonly input: unknown
  readonly context: HandlerContext
}
