import type { Message } from '../driver.ts'
import type { HandlerContext } from '../handlers/handler.ts'
import { callable, type Option } from '../options/option.ts'

/** Around every publish, encoded and checked: add headers, measure, refuse by throwing. Call `next` once. */
export type PublishMiddleware = (message: Message, next: (message: Message) => Promise<void>) => Promise<void>

/** The first one used is the outermost. */
export interface Middleware {
  readonly publish?: PublishMiddleware
  readonly handle?: HandleMiddleware
}

export const MIDDLEWARE: Readonly<Record<keyof Middleware, Option>> = {
  publish: { default: 'none', must: callable, text: 'around every publish, `(message, next) => next(message)`' },
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
