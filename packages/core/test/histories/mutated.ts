import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { changesOf } from '../../src/testing/conformance/chaos/mutation.ts'
import type { RuntimeMutation } from './mutations.ts'
import type { Found } from './search.ts'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

export interface Searched {
  readonly histories: number
  readonly found?: Found
  /** As a process says it. */
  readonly output: string
}

/** Histories in a process of their own, whose runtime is loaded with the mutation: the way in which the chaos runs take a safeguard out. */
export async function searchIn(mutation: RuntimeMutation | undefined, options: { seed: number; histories: number }): Promise<Searched> {
  const changes = mutation ? changesOf(mutation) : []
  const args = ['--import', path('../../../conformance/src/from-source.ts'), path('run.ts'), `${options.histories}`, `${options.seed}`]
  const child = spawn(process.execPath, args, { env: { ...process.env, COREBUS_MUTATION: JSON.stringify(changes) } })
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => void output.push(text))
  await new Promise((resolve) => child.on('close', resolve))
  const lines = output.join('').split('\n')
  const answer = lines.find((line) => line.startsWith('{"seed"'))
  if (answer === undefined) throw new Error(`no answer of ${args.join(' ')}:\n${lines.join('\n')}`)
  const mutated = lines.filter((line) => line.startsWith('@')).length
  if (mutated !== changes.length) throw new Error(`"${mutation?.name}" was loaded with ${mutated} of its changes`)
  return { ...JSON.parse(answer), output: lines.join('\n') }
}
