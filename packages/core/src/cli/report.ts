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
  return message === '' ? name : message
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

/** The result of a command. Resolves when it is written: what follows may be the end of the process. */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // A reader that has seen enough, as in `npx corebus dlq list | head`, is no failure.
    const written = (error?: NodeJS.ErrnoException | null): void => (error && error.code !== 'EPIPE' ? reject(error) : resolve())
    process.stdout.on('error', written)
    process.stdout.write(`${text}\n`, written)
  })
}
