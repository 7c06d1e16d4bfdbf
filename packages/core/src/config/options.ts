import { asError, CorebusError } from '../errors.ts'
import { type Checked, mistakesIn } from '../options/check.ts'
import { MESSAGING, type MessagingOptions } from './messaging-options.ts'
import { retryPolicy } from './retry.ts'

const OF_A_GROUP = 'is an option of a group: give it to @consumer, on or handle'
const ELSEWHERE = Object.fromEntries(['topics', 'autoStart', 'ordering', 'from', 'unknown'].map((name) => [name, OF_A_GROUP]))

/** What is wrong with the options of an app by themselves: each, and what they say together. */
export function appMistakes(options: MessagingOptions): Checked {
  const { mistakes, wrong } = mistakesIn(options, MESSAGING, ELSEWHERE)
  return typeof options === 'object' && options !== null
    ? { mistakes: [...mistakes, ...contradictions(options, wrong)], wrong }
    : { mistakes, wrong }
}

function contradictions({ session, inbox, ...options }: MessagingOptions, wrong: ReadonlySet<string>): readonly string[] {
  const mistakes: string[] = []
  if (options.driver)
    for (const name of ['broker', 'bootstrapServers', 'durability'] as const)
      if (options[name] !== undefined) mistakes.push(`${name} does nothing with a driver of your own: leave it out`)
  if (options.logger && options.logLevel !== undefined)
    mistakes.push('logLevel does nothing with a logger of your own, which has its level: leave it out')
  if (inbox && !session) mistakes.push('inbox needs a session, in whose transaction it writes: give session')
  const { maxRetries, retryDelayMs, backoff, retryIf } = options
  if (['maxRetries', 'retryDelayMs', 'backoff', 'retryIf'].some((name) => wrong.has(name))) return mistakes
  try {
    retryPolicy(
      [
        {
          ...(maxRetries !== undefined && { maxRetries }),
          ...(retryDelayMs !== undefined && { retryDelayMs }),
          ...(backoff && { backoff }),
          ...(retryIf && { retryIf }),
        },
      ],
      'none',
      'the retry options',
    )
  } catch (error) {
    mistakes.push(error instanceof CorebusError ? error.message : `backoff fails when it is called: ${asError(error).message}`)
  }
  return mistakes
}
