import type { Duplex } from 'node:stream'
import type { ChannelModel } from 'amqplib'
import { real } from '../../clock.ts'

/**
 * The client writes every message to its socket by itself: a system call for each, and a packet. Returns a function to call before one is
 * published: what the client hands over in this turn of the event loop then leaves together, at the end of it.
 */
export function corkFor(model: ChannelModel): () => void {
  const { stream } = model.connection as unknown as { readonly stream: Duplex }
  let corked = false
  return () => {
    if (corked) return
    corked = true
    stream.cork()
    // The client collects in the first and hands over before the second.
    real.setImmediate(() =>
      real.setImmediate(() => {
        corked = false
        stream.uncork()
      }),
    )
  }
}
