import { monotonic, runtimeOf, sleep } from '../clock.ts'
import type { Parts } from './parts.ts'

/** Handlers and requests first, then what works beside them, then what all have published, then the connection that it leaves by. */
export async function closeParts(parts: Parts): Promise<void> {
  const { clock, config, companions, consumers, deadLetterCalls, outlet, publisher, unclaimed, connection } = parts
  const until = monotonic(runtimeOf(clock)) + config.shutdownMs
  try {
    await Promise.all([consumers.drain(), requestsOver(parts)])
    await deadLetterCalls?.drain(Math.max(until - monotonic(runtimeOf(clock)), 0))
    // What leaves in the background may be written into the outbox.
    await outlet.drain()
    await companions.close(Math.max(until - monotonic(runtimeOf(clock)), 0))
    await publisher.drain()
  } finally {
    unclaimed.end()
    await companions.close(0)
    await connection.close().finally(() => consumers.end())
  }
}

/** A client that has gone keeps no server open, and its handler still runs. */
async function requestsOver({ clock, config: { shutdownMs }, requests, logger }: Parts): Promise<void> {
  const timer = new AbortController()
  await Promise.race([requests.over(), sleep(runtimeOf(clock), shutdownMs, timer.signal)])
  timer.abort()
  if (requests.open > 0)
    logger.warn(`${requests.open} requests still run after ${shutdownMs} ms (shutdownMs): what they record from now on is not published`)
}
