import type { Context } from 'hono'

/** What is needed of Node's response, of HTTP/1 and HTTP/2. */
interface Outgoing {
  readonly headersSent: boolean
  readonly statusCode: number
  readonly closed?: boolean
  readonly destroyed?: boolean
  readonly writableFinished?: boolean
  /** HTTP/2 keeps what became of the connection there. */
  readonly stream?: { readonly closed?: boolean; readonly destroyed?: boolean }
  once(event: 'finish' | 'close', listener: () => void): unknown
  off(event: 'finish' | 'close', listener: () => void): unknown
}

/** How a response ends where this runs: Node tells, other runtimes let work go on after it, and the rest do neither. */
export type ResponseEnd =
  | { readonly kind: 'told'; whenOver(then: () => void): void; status(): number }
  | { readonly kind: 'waitUntil'; waitUntil(work: Promise<unknown>): void }
  | { readonly kind: 'unknown' }

export function responseEndOf(c: Context): ResponseEnd {
  const outgoing = outgoingOf(c)
  if (outgoing) {
    return {
      kind: 'told',
      whenOver: (then) => whenOver(outgoing, then),
      status: () => (outgoing.headersSent ? outgoing.statusCode : c.res.status),
    }
  }
  const execution = executionOf(c)
  return execution ? { kind: 'waitUntil', waitUntil: (work) => execution.waitUntil(work) } : { kind: 'unknown' }
}

function outgoingOf({ env }: Context): Outgoing | undefined {
  const outgoing: unknown = typeof env === 'object' && env !== null && 'outgoing' in env ? env.outgoing : undefined
  return typeof outgoing === 'object' && outgoing !== null && 'once' in outgoing ? (outgoing as Outgoing) : undefined // Node's, by what it can do
}

function executionOf(c: Context): Context['executionCtx'] | undefined {
  try {
    return c.executionCtx
  } catch {
    // Hono throws where there is none.
    return undefined
  }
}

/** Once: at the end of the response, or when the connection is gone. A client that left while the handler ran has closed it already, and no event will come. */
function whenOver(outgoing: Outgoing, then: () => void): void {
  const { closed, destroyed, writableFinished, stream } = outgoing
  if (closed || destroyed || writableFinished || stream?.closed || stream?.destroyed) {
    then()
    return
  }
  const over = (): void => {
    outgoing.off('finish', over)
    outgoing.off('close', over)
    then()
  }
  outgoing.once('finish', over)
  outgoing.once('close', over)
}
