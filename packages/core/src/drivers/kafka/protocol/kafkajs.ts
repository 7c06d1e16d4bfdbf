import { CorebusError } from '../../../errors.ts'
import { addCodecs } from './codecs.ts'
import type { Codec, Connection, OldMessage, RequestQueue } from './inside.ts'
import { kafkaLibrary, type Library, loadLibraryWith } from './library.ts'

/**
 * What is put right in kafkajs before it is used. The version is exact: these reach inside.
 *
 * - Its request queue wakes up every 10 ms, whether or not something waits, with a negative time-out that Node warns about. It looks for requests that
 *   were not answered in time ten times a second for each connection, which was most of what an idle consumer cost.
 * - Two requests on a connection that is down connect it twice. The second socket is lost, and when the broker closes it, the first is
 *   taken for closed.
 * - What was read of an answer when its connection broke is taken for the beginning of what the next one reads: no answer is
 *   found from then on, until requests time out, or the process ends in its decoder.
 * - The share that a member gets after it has joined it awaits no longer than any other, and where the leader has died meanwhile that comes when the
 *   group has given the leader up. The connection would be taken for dead.
 * - It has no codec for snappy, lz4 and zstd (`codecs.ts`).
 * - It throws away all that it is told of brokers and topics when one partition of one of them has no leader (`keepMetadata`).
 */
const PATCHED = '2.2.4'
/** The same as it has for joining: what the others are waited for, and a little. */
const SYNC_TIMEOUT_MS = 35_000
/** In front of each answer. */
const LENGTH_BYTES = 4
/** So late a request may be found not to be answered in time. */
const LATE_LOOK_MS = 500

/** @throws CorebusError PEER_VERSION: without what is put right here it loses answers, and nobody has looked whether another version can be. */
export function mustBeKnown({ version }: { readonly version: string }): void {
  if (version === PATCHED) return
  const text = `kafkajs ${version} is installed, and Corebus repairs ${PATCHED} alone: npm install kafkajs@${PATCHED}`
  throw new CorebusError('PEER_VERSION', text)
}

/** Queues of connections that are up. */
const watched = new Set<RequestQueue>()
let watching: NodeJS.Timeout | undefined

/** One look for all of them. */
function watchTimeouts(this: RequestQueue): void {
  if (!this.enforceRequestTimeout) return
  watched.add(this)
  watching ??= setInterval(lookForTimeouts, LATE_LOOK_MS).unref()
}

function lookForTimeouts(): void {
  const now = Date.now()
  for (const queue of watched) {
    for (const request of queue.inflight.values()) if (now - request.sentAt > request.requestTimeout) request.timeoutRequest()
    if (!queue.isConnected()) watched.delete(queue)
  }
  if (watched.size > 0) return
  clearInterval(watching)
  watching = undefined
}

function startAfresh(connection: Connection): void {
  connection.socket?.destroy()
  connection.chunks = []
  connection.bytesBuffered = 0
  connection.bytesNeeded = LENGTH_BYTES
}

function patch(library: Library): void {
  const { inside } = library
  mustBeKnown(inside)
  const queue = inside.RequestQueue
  const { scheduleCheckPendingRequests } = queue.prototype
  queue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) scheduleCheckPendingRequests.call(this)
  }
  queue.prototype.scheduleRequestTimeoutCheck = watchTimeouts

  const connection = inside.Connection
  const { connect } = connection.prototype
  const connecting = new WeakMap<Connection, Promise<unknown>>()
  connection.prototype.connect = function (this: Connection) {
    const under = connecting.get(this)
    if (under) return under
    if (!this.isConnected()) startAfresh(this)
    const begun = connect.call(this).finally(() => connecting.delete(this))
    connecting.set(this, begun)
    return begun
  }

  const sync = inside.syncGroup
  const { protocol } = sync
  sync.protocol = (of) => (asked) => ({ ...protocol(of)(asked), requestTimeout: SYNC_TIMEOUT_MS })

  addCodecs(library)
}

/** Before a driver is made. @throws CorebusError PEER_MISSING, PEER_VERSION */
export const loadLibrary = (): Promise<void> => loadLibraryWith(patch)

/** A request of the protocol, and how its answer is read. */
export interface Request<T> {
  readonly request: object
  readonly response: { decode(raw: Buffer): Promise<T>; parse(decoded: T): Promise<T> }
  readonly requestTimeout?: number
  readonly logResponseError?: false
}

/** A broker of kafkajs, as far as this reaches inside. */
export interface BrokerInside {
  metadata: (topics: readonly string[]) => Promise<unknown>
  /** In the newest version that both sides know. */
  lookupRequest(
    apiKey: number,
    requests: object,
  ): (options: object) => Request<never> & { readonly request: { readonly apiVersion: number } }
  readonly connectionPool: { send(request: object): Promise<unknown> }
  disconnect(): Promise<void>
}

/** As its own requests are sent. */
export async function send<T>(broker: BrokerInside, request: Request<T>): Promise<T> {
  try {
    return (await broker.connectionPool.send(request)) as T // what `parse` has made
  } catch (thrown) {
    if (thrown instanceof Error && thrown.name === 'KafkaJSConnectionClosedError') await broker.disconnect()
    throw thrown
  }
}

const FETCH = 1
const METADATA = 3

/**
 * The brokers of this one client keep what they are told; who asks for a topic looks at the errors of that topic. (Not in the module: other
 * clients of the process are somebody else's.)
 */
export function keepMetadata(pool: { createBroker: (options: object) => object }): void {
  const { createBroker } = pool
  pool.createBroker = (options) => {
    const broker = createBroker(options) as BrokerInside // what its types leave out
    broker.metadata = (topics) => {
      const { request, response } = broker.lookupRequest(
        METADATA,
        kafkaLibrary().inside.requests.Metadata,
      )({ topics, allowAutoTopicCreation: false })
      return send(broker, { request, response: { ...response, parse: async (told) => told } })
    }
    return broker
  }
}

/** A fetch in the newest version that both sides know: written and read here. */
export function fetchRequest<T>(
  broker: BrokerInside,
  maxWaitTime: number,
  { encode, read }: { readonly encode: (version: number) => Buffer; readonly read: (raw: Buffer, version: number) => Promise<T> },
): Request<T> {
  const { request, requestTimeout } = broker.lookupRequest(FETCH, kafkaLibrary().inside.requests.Fetch)({ maxWaitTime, topics: [] })
  const buffer = encode(request.apiVersion)
  return {
    request: { ...request, encode: async () => ({ buf: buffer, buffer }) },
    response: { decode: (raw) => read(raw, request.apiVersion), parse: async (answer) => answer },
    ...(requestTimeout !== undefined && { requestTimeout }),
  }
}

/** @throws Error when there is none for this type of the protocol. */
export function codecOf(type: number): Codec {
  const codec = kafkaLibrary().inside.compression.lookupCodec(type)
  if (!codec) throw new Error('there is no such codec here')
  return codec
}

/** The layout from before Kafka 0.11. */
export function readMessageSet(bytes: Buffer): Promise<readonly OldMessage[]> {
  const { Decoder, messageSetDecoder } = kafkaLibrary().inside
  return messageSetDecoder(new Decoder(bytes), bytes.length)
}

/** @throws what this code of the protocol means; nothing for 0. */
export function throwIfRefused(code: number): void {
  if (code !== 0) throw errorFrom(code)
}

export function errorFrom(code: number): Error {
  return kafkaLibrary().inside.error.createErrorFromCode(code)
}
