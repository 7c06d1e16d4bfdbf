import '../process/node-version.ts'

// The door for the formats of others: nothing of it is loaded unless it is imported, and each is a file of its own.
export type { Envelope, EnvelopeIn, EnvelopeOut, EventRead, EventToWrite, Incoming, Written } from '../wire/foreign-envelope.ts'
export { celeryTasks, type TaskData } from './celery.ts'
export { cloudEvents, cloudEventsBinary, cloudEventsBinaryAmqp } from './cloud-events.ts'
export { type Change, debezium } from './debezium.ts'
export { type FastStreamMessage, fastStream, readFastStream } from './fast-stream.ts'
export { massTransit } from './masstransit.ts'
export { nestPackets } from './nest.ts'
export { ownEvents } from './own-events.ts'
export { watermill } from './watermill.ts'
