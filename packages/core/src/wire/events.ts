import '../process/node-version.ts'

// The door for a package that only defines events: no broker, no decorators, nothing of the runtime.
export { CorebusError } from '../errors.ts'
export { type CodecOptions, codec } from './codec.ts'
export { defineEvent, type Event, type EventOf, type EventType, type EventTypeOptions } from './event-type.ts'
export type { Envelope, EnvelopeIn, EnvelopeOut, EventRead, EventToWrite, Incoming, Written } from './foreign-envelope.ts'
export { newId } from './id.ts'
export type { Schema } from './schema.ts'
