import './process/node-version.ts'

export { type ClosableServer, closeOnSignal } from './close-on-signal.ts'
export type { Config } from './config/config.ts'
export { brokerUrl, redisUrl } from './config/config.ts'
export type { GroupOptions } from './config/group-options.ts'
export type { AuthOptions, BrokerName, MessagingOptions, OneTopicOptions, TlsOptions, TopologyOptions } from './config/messaging-options.ts'
export type { Names } from './config/names-options.ts'
export { type Backoff, exponential, fixed, linear, type RetryIf, type RetryOptions } from './config/retry.ts'
export type { From } from './config/source-options.ts'
export type { Health } from './consumer/health.ts'
export type { StartOptions } from './consumer/start-options.ts'
export { type ConsumerOptions, consumer, onEvent } from './decorators/consumer.ts'
export { type EventDecoratorOptions, event, type ResultDecorator } from './decorators/event.ts'
export { type HandlerDecorator, messageHandler } from './decorators/message-handler.ts'
export { type Decorated, type MethodRecord, methodsOf, recordMethod } from './decorators/record.ts'
export {
  cancel,
  close,
  configureMessaging,
  defaultMessaging,
  emit,
  getProducer,
  handle,
  on,
  publishEvent,
  session,
  start,
  use,
} from './default.ts'
export type {
  Admin,
  Capabilities,
  Clock,
  DeadLetter,
  DeadLetterFilter,
  DeadLetterPage,
  DeadLetterPaging,
  Delivery,
  Depth,
  Driver,
  DriverOptions,
  ExchangeLetters,
  ExchangeSource,
  LettersOfOthers,
  LetterTarget,
  Message,
  Properties,
  QueueSource,
  Raw,
  Settlement,
  Source,
  StreamSource,
  Subscription,
  Target,
  TopicSource,
  TopicSummary,
  Topology,
} from './driver.ts'
export { CorebusError, PublishError, type PublishFailure, Reject, RetryLater, SettleError } from './errors.ts'
export type { Decode, HandlerContext, InboxKey } from './handlers/handler.ts'
export type { FunctionOptions, MessageFunction, MessageHandlerOptions, OnEventOptions } from './handlers/specs.ts'
export type { CompanionsHealth } from './instance/companions.ts'
export { createMessaging, type Messaging, type OnOptions, type RouteToCheck, type Types } from './messaging.ts'
export {
  CHANNEL,
  type DeliverRecord,
  type HandleRecord,
  type MessageRecord,
  type PublishRecord,
  type SettleRecord,
  type StateRecord,
} from './observe/channels.ts'
export type { Counters } from './observe/counters.ts'
export type { DeadLetterNotice } from './observe/dead-letter-calls.ts'
export { type ReplayOptions, replayDeadLetters } from './operations/replay.ts'
export type { Class } from './process/registry.ts'
export type { HandleMiddleware, HandlerCall, Middleware, PublishMiddleware } from './publish/middleware.ts'
export type { Attached, Companion, CompanionHealth, Host, Inbox, Outbox, OutboxMessage } from './scope/companion.ts'
export type { CancelOptions, EventOptions, Producer, PublishEventOptions, Publishing, SendOptions } from './scope/publishing.ts'
export type { RequestOptions, RequestScope } from './scope/request.ts'
export type { Session, SessionMode, Sessions } from './scope/session.ts'
export { type CodecOptions, codec } from './wire/codec.ts'
export { defineEvent, type Event, type EventOf, type EventType, type EventTypeOptions } from './wire/event-type.ts'
export type {
  Beside,
  Envelope,
  EnvelopeIn,
  EnvelopeOut,
  EventRead,
  EventToWrite,
  Incoming,
  Written,
} from './wire/foreign-envelope.ts'
export type { Schema } from './wire/schema.ts'
export type { Fields, MessageToWrite } from './wire/topic-formats.ts'
