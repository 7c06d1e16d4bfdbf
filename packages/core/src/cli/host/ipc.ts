import type { Health } from '../../consumer/health.ts'

/** What a supervised process says. */
export type Said =
  | { readonly kind: 'started'; readonly shutdownMs: number }
  | { readonly kind: 'health'; readonly health: Health }
  | { readonly kind: 'failed'; readonly message: string; readonly detail: string | undefined; readonly exitCode: number }

/** What it is told: drain, and end. */
export interface Told {
  readonly kind: 'stop'
}

// The channel is between two processes of this package, forked by one of them.
export const isTold = (message: unknown): message is Told => kindOf(message) === 'stop'
export const isSaid = (message: unknown): message is Said => ['started', 'health', 'failed'].includes(kindOf(message) ?? '')

function kindOf(message: unknown): string | undefined {
  return typeof message === 'object' && message !== null && 'kind' in message && typeof message.kind === 'string' ? message.kind : undefined
}

/** Resolves when it has left, or when nobody is there to hear it. */
export function say(said: Said): Promise<void> {
  return new Promise((resolve) => {
    if (!process.send || !process.connected) return resolve()
    process.send(said, undefined, {}, () => resolve())
  })
}
