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

function patch(): void {
  const { version }: { version: string } = require('kafkajs/package.json')
  if (version !== PATCHED) return
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

export const Kafka: typeof kafkajs.Kafka = kafkajs.Kafka
export const Partitioners: typeof kafkajs.Partitioners = kafkajs.Partitioners
export const AssignerProtocol: typeof kafkajs.AssignerProtocol = kafkajs.AssignerProtocol
