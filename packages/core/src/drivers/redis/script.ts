import { createHash } from 'node:crypto'
import type { Argument } from './link.ts'

/** Runs on the server, all of it or nothing in between. */
export interface Script {
  readonly text: string
  readonly hash: string
}

export function script(...parts: readonly string[]): Script {
  const text = parts.join('\n')
  return { text, hash: createHash('sha1').update(text).digest('hex') }
}

export function callOf(how: 'EVALSHA' | 'EVAL', { text, hash }: Script, keys: readonly string[], args: readonly Argument[]): Argument[] {
  return [how, how === 'EVAL' ? text : hash, String(keys.length), ...keys, ...args]
}
