import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { InvalidArgumentError } from 'commander'
import type { Health } from '../../consumer/health.ts'
import { CorebusError } from '../../errors.ts'

/** What a probe is told: `live` decides /livez, `ready` decides /readyz. */
export type Answer = Pick<Health, 'live' | 'ready' | 'reasons'>

export interface HealthAddress {
  readonly port: number
  readonly host: string
}

/** `--health-port` and `--health-host`, else HEALTH_PORT and HEALTH_HOST; without a port there is no server. @throws CorebusError USAGE */
export function healthAddress(
  { port, host }: { readonly port: number | undefined; readonly host: string | undefined },
  env: NodeJS.ProcessEnv = process.env,
): HealthAddress | undefined {
  const text = env.HEALTH_PORT?.trim() || undefined
  if (port === undefined && text !== undefined && !isPort(text))
    throw new CorebusError('USAGE', `HEALTH_PORT is ${JSON.stringify(text)} and must be a port, 0 to 65535`)
  const chosen = port ?? (text === undefined ? undefined : Number(text))
  return chosen === undefined ? undefined : { port: chosen, host: host ?? (env.HEALTH_HOST?.trim() || '127.0.0.1') }
}

/** For options. */
export function portNumber(text: string): number {
  if (!isPort(text)) throw new InvalidArgumentError('It must be a port, 0 to 65535.')
  return Number(text)
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535
}

/** Answers /livez and /readyz until the process ends. Returns where. @throws CorebusError HEALTH_PORT when the port is not to be had. */
export async function serveHealth({ port, host }: HealthAddress, health: () => Answer): Promise<string> {
  const server = createServer((request, response) => {
    const [path] = (request.url ?? '').split('?')
    const answer = health()
    const known = path === '/livez' || path === '/readyz'
    const good = path === '/livez' ? answer.live : answer.ready
    response.writeHead(known ? (good ? 200 : 503) : 404, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(JSON.stringify(known ? answer : { error: 'there are /livez and /readyz' }))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'is used by another process' : `cannot be opened: ${cause.message}`
      const message = `port ${port} of ${host}, for /livez and /readyz, ${why}. Choose another with --health-port or HEALTH_PORT (--health-host or HEALTH_HOST)`
      reject(new CorebusError('HEALTH_PORT', message, { cause }))
    })
    server.listen(port, host, resolve)
  })
  const { address, port: bound, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`
}
