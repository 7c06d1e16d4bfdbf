import { refusalOf } from './failure.ts'
import type { Nodes } from './nodes.ts'

export interface AnswersOptions {
  readonly nodes: Nodes
  readonly where: string
  readonly signal: AbortSignal
}

/** Asks Redis again while a connection comes back. What it refuses is thrown as an error of ours. */
export function answersOf({ nodes, where, signal }: AnswersOptions): <T>(ask: () => Promise<T>) => Promise<T> {
  return async (ask) => {
    try {
      return await nodes.insist(ask, signal)
    } catch (thrown) {
      throw refusalOf(thrown, where)
    }
  }
}
