import type { Server } from 'node:http'
import type { Messaging, Types } from './messaging.ts'
import { onSignals } from './process/signals.ts'

const IDLE_MS = 50

/** What is needed of a server: Node's http, https and http2 servers have it, and so does what @hono/node-server returns. */
export interface ClosableServer {
  close(callback?: (error?: Error) => void): unknown
  closeIdleConnections?: Server['closeIdleConnections']
}

/**
 * For an API process: on SIGTERM and SIGINT the server takes no new requests, running ones are answered, what they recorded is published,
 * the broker is disconnected, and the process exits with 0. A second signal exits at once, with 128 + its number.
 */
export function closeOnSignal(server: ClosableServer, messaging: Pick<Messaging<Types>, 'close' | 'logger'>): void {
  onSignals((signal) => {
    messaging.logger.info({ signal }, `${signal}: closing`)
    end(server, messaging).then(
      () => process.exit(0),
      (error: unknown) => {
        messaging.logger.error({ err: error }, 'closing failed')
        process.exit(1)
      },
    )
  })
}

async function end(server: ClosableServer, messaging: Pick<Messaging<Types>, 'close'>): Promise<void> {
  // A client keeps its connection for the next request: once its answer is out, that connection alone would hold the server for seconds.
  const idle = setInterval(() => server.closeIdleConnections?.(), IDLE_MS)
  await new Promise<void>((resolve) => {
    // "not running" is fine: then there is nothing to wait for.
    server.close(() => resolve())
    server.closeIdleConnections?.()
  })
  clearInterval(idle)
  await messaging.close()
}
