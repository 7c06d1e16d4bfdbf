import { createMessaging, defineEvent, type EventType, type Messaging, type MessagingOptions } from '@corebus/core'
import { z } from 'zod'
import type { Move, Orders } from './protocol.ts'

export const moved = ({ topic }: Orders): EventType<'moved', Move> =>
  defineEvent('moved', z.object({ token: z.string(), key: z.string(), n: z.number() }), { topic, key: 'key' })

const PUBLISH_TIMEOUT_MS = 10_000

/** An instance on the broker of the run. */
export function instance<Db>(
  { broker, brokerUrl, client, name }: Orders,
  service: string,
  options: MessagingOptions<Db> = {},
): Messaging<{ db: Db }> {
  return createMessaging<{ db: Db }>({
    broker,
    url: brokerUrl,
    ...(client && { client }),
    service,
    publish: { timeoutMs: PUBLISH_TIMEOUT_MS },
    logLevel: (process.env.CHAOS_LOG as MessagingOptions['logLevel']) ?? 'silent',
    // Processes die all the time: what is to be found is what the SDK loses, and not what it gives up on in good order.
    crashLimit: 1_000,
    ...options,
    env: { CHAOS_PROCESS: name },
  })
}
