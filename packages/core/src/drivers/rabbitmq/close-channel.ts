import type { Channel } from 'amqplib'

/**
 * Resolves when it is closed: by the broker's answer, or with its connection. The client tells nobody of the latter who waits for the answer:
 * its own promise is then never settled. Never rejects; closed before is what was wanted.
 */
export function closeChannel(channel: Channel): Promise<void> {
  return new Promise((resolve) => {
    const done = () => resolve()
    channel.once('close', done)
    channel.close().then(done, done)
  })
}
