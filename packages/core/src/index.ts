import './node-version.ts'

export { type ClosableServer, closeOnSignal } from './close-on-signal.ts'
export type { AuthOptions, BrokerName, Config, Inbox, MessagingOptions, Outbox, Session, TlsOptions, TopologyOptions } from './config.ts'
export { brokerUrl, redisUrl } from './config.ts'
export type { HandleMiddleware, HandlerCall } from './consumer/dispatch.ts'
export { type Backoff, exponential, fixed, linear, type RetryIf, type RetryOptions } from './consumer/retry.ts'
export type { Health, StartOptions } from './consumers.ts'
export { type ReplayOptions, replayDeadLetters } from './dead-letters.ts'
export { type ConsumerOptions, consumer, type OnEventOptions, onEvent } from './decorators/consumer.ts'
export { type EventDecoratorOptions, event, type ResultDecorator } from './decorators/event.ts'
export {
  type FunctionOptions,
  type HandlerDecorator,
  type MessageFunction,
  type MessageHandlerOptions,
  messageHandler,
} from './decorators/message-handler.ts'
export { type Class, type Decorated, type MethodRecord, methodsOf, recordMethod } from './decorators/record.ts'
export { close, configureMessaging, defaultMessaging, emit, getProducer, handle, on, publishEvent, start, use } from './default.ts'
export type {
  Admin,
  Capabilities,
  Clock,
  DeadLetter,
  DeadLetterFilter,
  Delivery,
  Depth,
  Driver,
  DriverOptions,
  Message,
  Settlement,
  Subscription,
  TopicSummary,
  Topology,
} from './driver.ts'
export { CorebusError, PublishError, type PublishFailure, Reject, RetryLater, SettleError } from './errors.ts'
export { defineEvent, type Event, type EventOf, type EventType, type EventTypeOptions } from './event-type.ts'
export type { Decode, GroupOptions, HandlerContext } from './handler.ts'
export { createMessaging, type Messaging, type OnOptions, type Types } from './messaging.ts'
export type { Middleware, PublishMiddleware } from './middleware.ts'
export {
  CHANNEL,
  type Counters,
  type DeliverRecord,
  type HandleRecord,
  type MessageRecord,
  type PublishRecord,
  type SettleRecord,
  type StateRecord,
} from './observe.ts'
export type { EventOptions, Producer, Publishing, SendOptions } from './publishing.ts'
export type { RequestOptions, RequestScope } from './request.ts'
export type { Schema } from './wire/schema.ts'
