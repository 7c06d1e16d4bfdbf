import { inspect, styleText } from 'node:util'
import { asError } from '../errors.ts'
import { visible } from '../observe/readable.ts'

/** One clear message on stderr; the stack only when it was asked for. */
export function report(error: unknown, verbose: boolean): void {
  reportText(messageOf(error), verbose ? detailOf(error) : undefined)
}

export function reportText(message: string, detail: string | undefined): void {
  const label = styleText('red', 'error:', { stream: process.stderr })
  process.stderr.write(`${label} ${visible(message)}\n${detail === undefined ? '' : `${detail}\n`}`)
}

export function messageOf(error: unknown): string {
  const { message, name } = asError(error)
  if (message !== '') return message
  // Node has no text for a connection that was tried at several addresses, each in vain.
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : []
  return errors.length > 0 ? [...new Set(errors.map(messageOf))].join('; ') : name
}

/** The error underneath is the one whose stack tells something. */
export function detailOf(error: unknown): string {
  const { cause } = asError(error)
  return inspect(cause instanceof Error ? cause : error, { colors: false })
}

/** Beside the result, for whoever typed the command. */
export function say(text: string): void {
  process.stderr.write(`${styleText('dim', visible(text), { stream: process.stderr })}\n`)
}

let isListening = false

/**
 * A part of the result of a command. Resolves when it is written: what follows may be the end of the process.
 * @returns false when its reader has seen enough, as in `npx corebus dlq list | head`: that is no failure, and no more is wanted
 */
export function write(text: string): Promise<boolean> {
  // What goes wrong is told to each write; without a listener it would end the process.
  if (!isListening) process.stdout.on('error', () => {})
  isListening = true
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      const code = (error as NodeJS.ErrnoException | null | undefined)?.code
      if (!error) resolve(true)
      else if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED') resolve(false)
      else reject(error)
    })
  })
}

/** The result of a command, or a line of it. */
export async function print(text: string): Promise<void> {
  await write(`${text}\n`)
}
