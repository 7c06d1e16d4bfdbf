import { closeOnSignal, type Messaging } from '@corebus/core'
import { serve as listen } from '@hono/node-server'
import type { ServiceApp } from './service-app.ts'

/** Listens until a signal. The loopback address alone in development: the containers of production are reached by others. */
export function serve(app: ServiceApp, { port, env }: { readonly port: number; readonly env: string }, messaging: Messaging): void {
  const hostname = env === 'production' ? '0.0.0.0' : '127.0.0.1'
  const server = listen({ fetch: app.fetch, hostname, port }, (at) => {
    messaging.logger.info({ port: at.port }, `listens at http://${hostname}:${at.port}`)
  })
  closeOnSignal(server, messaging)
}
