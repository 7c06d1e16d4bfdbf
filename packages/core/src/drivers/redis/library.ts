import type * as Redis from 'redis'
import { notLoaded, peerMissing } from '../peer.ts'

let loaded: typeof Redis | undefined

/** Before a driver is made. @throws CorebusError PEER_MISSING */
export async function loadLibrary(): Promise<void> {
  try {
    loaded ??= await import('redis')
  } catch (thrown) {
    throw peerMissing('redis', 'redis', thrown)
  }
}

export function redisLibrary(): typeof Redis {
  if (!loaded) throw notLoaded('redis')
  return loaded
}
