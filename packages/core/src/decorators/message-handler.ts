import type { HandlerContext, HandlerFunction } from '../handlers/handler.ts'
import { type FunctionOptions, type MessageFunction, type MessageHandlerOptions, messageSpec } from '../handlers/specs.ts'
import type { Schema } from '../wire/schema.ts'
import { type Decorated, recordFunction, recordMethod } from './record.ts'

/** Decorates a method that takes `In` and, if it wants, the context. */
export interface HandlerDecorator<In> {
  // biome-ignore lint/suspicious/noExplicitAny: the context's Db is the method's own business; unknown would refuse HandlerContext<Tx>
  <This, M extends (this: This, input: In, context: HandlerContext<any>) => unknown>(
    value: M,
    context: ClassMethodDecoratorContext<This, M>,
  ): void
  // biome-ignore lint/suspicious/noExplicitAny: as above
  <M extends (input: In, context: HandlerContext<any>) => unknown>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void
}

/** On a method of a `@consumer` class: takes every message of the topics that no `@onEvent` of the group takes, as it is on the wire. */
export function messageHandler<In = unknown>(options: MessageHandlerOptions<In> & { schema: Schema<In> }): HandlerDecorator<In>
// biome-ignore lint/suspicious/noExplicitAny: without a schema nothing is known of the message, and the method says what it takes
export function messageHandler(options: MessageHandlerOptions<unknown> & { schema?: never }): HandlerDecorator<any>
/** As a function, for the default instance. */
export function messageHandler<In>(
  options: MessageHandlerOptions<In> & FunctionOptions & { schema: Schema<In> },
  // biome-ignore lint/suspicious/noExplicitAny: what the default instance's session gives is not known here
  handler: MessageFunction<In, any>,
): void
export function messageHandler(
  options: MessageHandlerOptions<unknown> & FunctionOptions & { schema?: never },
  // biome-ignore lint/suspicious/noExplicitAny: as above
  handler: MessageFunction<any, any>,
): void
export function messageHandler(options: MessageHandlerOptions<unknown> & FunctionOptions, ...handler: HandlerFunction[]): unknown {
  // Not by its value: a handler that is undefined, as in a circular import, must not make a decorator of this.
  if (handler.length > 0) return recordFunction(messageSpec(options, handler[0]))
  return (...decorated: Decorated): void => recordMethod(decorated, 'messageHandler', options)
}
