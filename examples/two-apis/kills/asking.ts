import type { ProcessName, TwoApis } from '../demo/two-apis.ts'

/** A process that has not answered for this long hangs: one that is killed closes its connections at once. */
const ANSWERS_WITHIN_MS = 60_000

export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** How many requests there were, and how many of them got no answer, so that nobody knew what had become of them. */
export interface Asked {
  requests: number
  unanswered: number
}

type Request<T> = (to: ProcessName, method: string, path: string, body?: object) => Promise<T>

export interface Asking {
  /** Undefined where there is no answer. @throws Error when a process hangs */
  readonly request: Request<Answer | undefined>
  /** Asks again until there is an answer. `again` says whether an earlier one got none. */
  readonly insists: Request<Answer & { readonly again: boolean }>
  readonly asked: Asked
}

/** Requests to processes that may end at any moment, and come back. */
export function asking(apis: Pick<TwoApis, 'up'>): Asking {
  const asked: Asked = { requests: 0, unanswered: 0 }

  const request: Asking['request'] = async (to, method, path, body) => {
    const url = await apis.up(to)
    asked.requests++
    let text: string
    let status: number
    try {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { connection: 'close', 'content-type': 'application/json' },
        signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      status = response.status
      text = await response.text()
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError') throw new Error(`${method} ${path}: no answer and no end in 60 s`)
      asked.unanswered++
      return undefined
    }
    return { status, body: JSON.parse(text) as unknown }
  }

  const insists: Asking['insists'] = async (to, method, path, body) => {
    for (let again = false; ; again = true) {
      const answer = await request(to, method, path, body)
      if (answer) return { ...answer, again }
    }
  }

  return { request, insists, asked }
}
