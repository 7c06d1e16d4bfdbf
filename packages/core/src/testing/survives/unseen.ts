import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { currentRun } from './run.ts'

const printed = new Set<string>()

/** Once for each text in a process: a blind spot is to be known of, and not to be read in every test. */
export function print(unseen: readonly string[]): void {
  for (const one of unseen) {
    if (printed.has(one)) continue
    printed.add(one)
    process.emitWarning(`survives() could not see ${one}`, { type: 'Unseen' })
  }
}

interface Undici {
  readonly request: { readonly origin?: unknown }
}
interface Http {
  readonly request: { getHeader?(name: string): unknown }
}

/** Tells the run that is under way of requests that no object of `outside` made. Returns what ends that. */
export function watchRequests(): () => void {
  const tell = (to: unknown): void => {
    currentRun()?.told.requests.add(String(to))
  }
  const channels: readonly [string, (told: unknown) => void][] = [
    // fetch
    ['undici:request:create', (told) => tell((told as Undici).request.origin)],
    ['http.client.request.start', (told) => tell((told as Http).request.getHeader?.('host'))],
  ]
  for (const [name, listener] of channels) subscribe(name, listener)
  return () => {
    for (const [name, listener] of channels) unsubscribe(name, listener)
  }
}

/** Returns what lies open in the instance that a handler is a method of, has methods of its own, and was not named. */
export function unnamed(instance: object | undefined, outside: readonly object[]): readonly string[] {
  if (!instance) return []
  const isNamed = (one: object): boolean =>
    outside.some((given) => given === one || (typeof given === 'function' && one instanceof (given as new () => object)))
  return Object.entries(instance).flatMap(([name, value]) => {
    const isObject =
      typeof value === 'object' && value !== null && ![Object.prototype, Array.prototype, null].includes(Object.getPrototypeOf(value))
    return isObject && !isNamed(value) ? [`${instance.constructor.name}.${name}`] : []
  })
}
