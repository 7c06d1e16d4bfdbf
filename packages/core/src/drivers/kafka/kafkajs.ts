import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import kafkajs from 'kafkajs'

/**
 * What is put right in kafkajs before it is used. The version is exact: these reach inside.
 *
 * - Its request queue wakes up every 10 ms, whether or not something waits, with a negative time-out that Node warns about.
 * - Two requests on a connection that is down connect it twice. The second socket is lost, and when the broker closes it, the first is
 *   taken for closed.
 * - It has no codec for zstd; node:zlib has from 22.15 on.
 * - It throws away all that it is told of brokers and topics when one partition of one of them has no leader (`keepMetadata`).
 */
const PATCHED = '2.2.4'
const require = createRequire(import.meta.url)

interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests(): void
}

interface Connection {
  connect(): Promise<unknown>
}

interface Prototype<T> {
  readonly prototype: T
}

function isKnown(): boolean {
  const { version }: { version: string } = require('kafkajs/package.json')
  return version === PATCHED
}

function patch(): void {
  if (!isKnown()) return
  const queue: Prototype<RequestQueue> = require('kafkajs/src/network/requestQueue')
  const { scheduleCheckPendingRequests } = queue.prototype
  queue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) scheduleCheckPendingRequests.call(this)
  }

  const connection: Prototype<Connection> = require('kafkajs/src/network/connection')
  const { connect } = connection.prototype
  const connecting = new WeakMap<Connection, Promise<unknown>>()
  connection.prototype.connect = function (this: Connection) {
    const under = connecting.get(this)
    if (under) return under
    const begun = connect.call(this).finally(() => connecting.delete(this))
    connecting.set(this, begun)
    return begun
  }

  const { zstdCompress, zstdDecompress } = zlib
  if (typeof zstdDecompress !== 'function') return
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
    compress: ({ buffer }: { buffer: Buffer }) => promisify(zstdCompress)(buffer),
    decompress: (buffer: Buffer) => promisify(zstdDecompress)(buffer),
  })
}

patch()

interface MetadataRequest {
  readonly request: object
  readonly response: { readonly decode: unknown; readonly parse: unknown }
}

/** A request of the protocol, and how its answer is read. */
export interface Request<T> {
  readonly request: { apiKey: number; apiVersion: number; apiName: string; encode(): Promise<{ buf: Buffer; buffer: Buffer }> }
  readonly response: { decode(raw: Buffer): Promise<T>; parse(decoded: T): Promise<T> }
  readonly logResponseError: false
}

/** A broker of kafkajs, as far as `send` reaches inside. */
export interface Reached {
  readonly connectionPool: { send(request: object): Promise<unknown> }
  disconnect(): Promise<void>
}

interface Inside extends Reached {
  metadata: (topics: readonly string[]) => Promise<unknown>
  lookupRequest(
    apiKey: number,
    requests: object,
  ): (options: { topics: readonly string[]; allowAutoTopicCreation: false }) => MetadataRequest
}

/** As its own requests are sent. */
export async function send<T>(broker: Reached, request: Request<T>): Promise<T> {
  return (await sendAny(broker, request)) as T // what `parse` has made
}

async function sendAny(broker: Reached, request: object): Promise<unknown> {
  try {
    return await broker.connectionPool.send(request)
  } catch (thrown) {
    if (thrown instanceof Error && thrown.name === 'KafkaJSConnectionClosedError') await broker.disconnect()
    throw thrown
  }
}

const METADATA = 3

/**
 * The brokers of this one client keep what they are told; who asks for a topic looks at the errors of that topic. (Not in the module: other
 * clients of the process are somebody else's.)
 */
export function keepMetadata(pool: { createBroker: (options: object) => object }): void {
  if (!isKnown()) return
  const { requests }: { requests: { Metadata: object } } = require('kafkajs/src/protocol/requests')
  const { createBroker } = pool
  pool.createBroker = (options) => {
    const broker = createBroker(options) as Inside // what its types leave out
    broker.metadata = (topics) => {
      const { request, response } = broker.lookupRequest(METADATA, requests.Metadata)({ topics, allowAutoTopicCreation: false })
      return sendAny(broker, { request, response: { ...response, parse: async (told: unknown) => told } })
    }
    return broker
  }
}

/** @throws what this code of the protocol means; nothing for 0. */
export function throwIfRefused(code: number): void {
  if (code !== 0) throw errorFrom(code)
}

export function errorFrom(code: number): Error {
  const { createErrorFromCode }: { createErrorFromCode: (code: number) => Error } = require('kafkajs/src/protocol/error')
  return createErrorFromCode(code)
}

export const crc32c: (bytes: Buffer) => number = require('kafkajs/src/protocol/recordBatch/crc32C')

export const Kafka: typeof kafkajs.Kafka = kafkajs.Kafka
export const Partitioners: typeof kafkajs.Partitioners = kafkajs.Partitioners
export const AssignerProtocol: typeof kafkajs.AssignerProtocol = kafkajs.AssignerProtocol
