import type { Socket } from 'node:net'

/** What is used of kafkajs behind its door: it has no types there. The version is exact. */
export interface Inside {
  readonly version: string
  readonly RequestQueue: Prototype<RequestQueue>
  readonly Connection: Prototype<Connection>
  readonly syncGroup: SyncGroup
  readonly requests: { readonly Metadata: object; readonly Fetch: object }
  readonly compression: {
    /** @throws KafkaJSNotImplemented when it has none for this type of the protocol. */
    lookupCodec(type: number): Codec | null
  }
  readonly Decoder: new (bytes: Buffer) => object
  readonly messageSetDecoder: (decoder: object, size: number) => Promise<readonly OldMessage[]>
  readonly error: { createErrorFromCode(code: number): Error }
}

export interface RequestQueue {
  readonly pending: readonly unknown[]
  readonly inflight: ReadonlyMap<number, { readonly sentAt: number; readonly requestTimeout: number; timeoutRequest(): void }>
  readonly enforceRequestTimeout: boolean
  isConnected(): boolean
  scheduleCheckPendingRequests(): void
  scheduleRequestTimeoutCheck(): void
}

export interface SyncGroup {
  protocol: (of: { readonly version: number }) => (asked: object) => object
}

export interface Connection {
  socket?: Socket
  chunks: Buffer[]
  bytesBuffered: number
  bytesNeeded: number
  isConnected(): boolean
  connect(): Promise<unknown>
}

export interface Prototype<T> {
  readonly prototype: T
}

export interface Codec {
  decompress(compressed: Buffer): Promise<Buffer>
}

export interface OldMessage {
  readonly offset: string
  readonly timestamp?: string
  readonly key: Buffer | null
  readonly value: Buffer | null
}
