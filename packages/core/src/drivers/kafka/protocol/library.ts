import type * as Kafkajs from 'kafkajs'
import { notLoaded, peerMissing } from '../../peer.ts'
import type { Inside } from './inside.ts'

export interface Library {
  readonly kafkajs: Omit<typeof Kafkajs, 'default'>
  readonly inside: Inside
}

let loaded: Library | undefined

/**
 * Before a driver is made: the library, and those parts of it that its door does not show. `prepare` puts right what is wrong in them, once.
 * @throws CorebusError PEER_MISSING, and what `prepare` throws.
 */
export async function loadLibraryWith(prepare: (library: Library) => void): Promise<void> {
  if (loaded) return
  try {
    // Each by its whole name, and awaited by itself: so bundlers see that it may be missing, and what is put right is the copy that is used.
    const { default: kafkajs } = await import('kafkajs')
    const { default: manifest } = await import('kafkajs/package.json', { with: { type: 'json' } })
    // @ts-expect-error: it has no types
    const { default: RequestQueue } = await import('kafkajs/src/network/requestQueue/index.js')
    // @ts-expect-error: it has no types
    const { default: Connection } = await import('kafkajs/src/network/connection.js')
    // @ts-expect-error: it has no types
    const { default: syncGroup } = await import('kafkajs/src/protocol/requests/syncGroup/index.js')
    // @ts-expect-error: it has no types
    const { default: requests } = await import('kafkajs/src/protocol/requests/index.js')
    // @ts-expect-error: it has no types
    const { default: compression } = await import('kafkajs/src/protocol/message/compression/index.js')
    // @ts-expect-error: it has no types
    const { default: Decoder } = await import('kafkajs/src/protocol/decoder.js')
    // @ts-expect-error: it has no types
    const { default: messageSetDecoder } = await import('kafkajs/src/protocol/messageSet/decoder.js')
    // @ts-expect-error: it has no types
    const { default: error } = await import('kafkajs/src/protocol/error.js')
    const known = { version: manifest.version, RequestQueue, Connection, syncGroup, compression, Decoder, messageSetDecoder, error }
    const library: Library = { kafkajs, inside: { ...known, requests: requests.requests } }
    prepare(library)
    loaded = library
  } catch (thrown) {
    throw peerMissing('kafka', 'kafkajs', thrown)
  }
}

export function kafkaLibrary(): Library {
  if (!loaded) throw notLoaded('kafka')
  return loaded
}

/** How members of a group say what they want and get. */
export const assignerProtocol = (): typeof Kafkajs.AssignerProtocol => kafkaLibrary().kafkajs.AssignerProtocol
