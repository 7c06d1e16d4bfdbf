import { promisify } from 'node:util'
import zlib from 'node:zlib'
import type { Codec } from './inside.ts'
import type { Library } from './library.ts'
import { compressLz4, decompressLz4 } from './lz4.ts'
import { compressSnappy, decompressSnappy } from './snappy.ts'

/** As the protocol numbers them. */
const NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const [SNAPPY, LZ4, ZSTD] = [2, 3, 4]

/** What kafkajs takes. */
interface Written extends Codec {
  readonly compress: (encoder: { readonly buffer: Buffer }) => Promise<Buffer>
}

/** Gives kafkajs the codecs that it has not. One that the user has given it stays. */
export function addCodecs({ kafkajs, inside }: Library): void {
  const ours: [type: number, codec: Written][] = [
    [SNAPPY, { compress: async ({ buffer }) => compressSnappy(buffer), decompress: async (bytes) => decompressSnappy(bytes) }],
    [LZ4, { compress: async ({ buffer }) => compressLz4(buffer), decompress: async (bytes) => decompressLz4(bytes) }],
  ]
  // From Node 22.15 on.
  const { zstdCompress, zstdDecompress } = zlib
  if (typeof zstdDecompress === 'function')
    ours.push([
      ZSTD,
      { compress: ({ buffer }) => promisify(zstdCompress)(buffer), decompress: (bytes) => promisify(zstdDecompress)(bytes) },
    ])
  for (const [type, codec] of ours) if (!has(inside, type)) kafkajs.CompressionCodecs[type as 2] = () => codec
}

function has({ compression }: Library['inside'], type: number): boolean {
  try {
    return compression.lookupCodec(type) !== null
  } catch {
    return false
  }
}

export function nameOf(type: number): string {
  return NAMES[type] ?? `codec ${type}, which Kafka had not when this was written`
}
