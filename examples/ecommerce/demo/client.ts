import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { ServiceName, System } from './system.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: what a client makes of an answer is its own business
  readonly body: any
}

const OF_PATH: readonly (readonly [string, ServiceName])[] = [
  ['/api/v1/users', 'user-service'],
  ['/api/v1/products', 'product-service'],
  ['/api/v1/orders', 'order-service'],
  ['/q/', 'query-service'],
]

/** @throws Error for a path that none of them has */
export function serviceOf(path: string): ServiceName {
  const service = OF_PATH.find(([begin]) => path.startsWith(begin))?.[1]
  if (!service) throw new Error(`no service has ${path}`)
  return service
}

export type Ask = (method: string, path: string, body?: unknown) => Promise<Answer>

/** Asks the service that has the path. A body that is text is sent as it is. */
export function client(system: Pick<System, 'url'>): Ask {
  return async (method, path, body) => {
    const sent =
      body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: typeof body === 'string' ? body : JSON.stringify(body) }
    const response = await fetch(`${system.url(serviceOf(path))}${path}`, { method, ...sent })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
  }
}

const LOOK_EVERY_MS = 20

const partOf = (body: Answer['body'], wanted: object): unknown =>
  Object.fromEntries(Object.keys(wanted).map((field) => [field, body?.[field]]))

/** Looks at a resource until it is as wanted. @throws Error that says how it was instead. */
export async function becomes(
  ask: Ask,
  path: string,
  wanted: Readonly<Record<string, unknown>>,
  limitMs = 20_000,
): Promise<Answer['body']> {
  const deadline = performance.now() + limitMs
  for (;;) {
    const { body } = await ask('GET', path)
    if (isDeepStrictEqual(partOf(body, wanted), wanted)) return body
    if (performance.now() > deadline) throw new Error(`${path} did not become ${JSON.stringify(wanted)}: ${JSON.stringify(body)}`)
    await sleep(LOOK_EVERY_MS)
  }
}
