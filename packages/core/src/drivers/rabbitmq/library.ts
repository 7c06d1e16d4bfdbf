import type * as Amqplib from 'amqplib'
import { notLoaded, peerMissing } from '../peer.ts'

let loaded: typeof Amqplib | undefined

/** Before a driver is made. @throws CorebusError PEER_MISSING */
export async function loadLibrary(): Promise<void> {
  try {
    loaded ??= await import('amqplib')
  } catch (thrown) {
    throw peerMissing('rabbitmq', 'amqplib', thrown)
  }
}

export function amqpLibrary(): typeof Amqplib {
  if (!loaded) throw notLoaded('rabbitmq')
  return loaded
}
