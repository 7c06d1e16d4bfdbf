import { asError, CorebusError } from '../../errors.ts'
import type { Messaging } from '../../messaging.ts'
import { EXIT } from '../exit.ts'
import { messageOf, reportText } from '../report.ts'
import { placeIn } from './place.ts'

export interface DeathsOptions {
  /** Undefined until the entry is loaded. */
  readonly messaging: () => Messaging | undefined
  /** The host's own way to tell what went wrong. */
  readonly failed: (error: unknown) => Promise<void>
}

export interface Deaths {
  /** From now on: while the entry is loaded, whoever loads it hears of errors. */
  errorsToo(): void
  /** The process ends as it should. */
  end(): void
}

/** Codes above belong to signals: a second one ends the process at once, as it was told to. */
const LAST_CODE = 128

/**
 * A handler must not take its process away without a word: `process.exit` and an error that nobody awaits are told, with what was being handled
 * then, and the process does not end as if all were well. Nothing is drained, so that what kills its process counts as a crash.
 */
export function tellDeaths({ messaging, failed }: DeathsOptions): Deaths {
  const onExit = (code: number): void => {
    if (code > LAST_CODE) return
    const place = placeIn(new Error().stack)
    reportText(
      `process.exit(${code}) was called${place === undefined ? '' : ` (${place})`}${during(messaging())}. Nothing was drained. Throw an error in the handler instead; a signal stops a consumer`,
      undefined,
    )
    if (code === EXIT.ok) process.exitCode = EXIT.failed
  }
  const onUncaught = (thrown: unknown, origin: NodeJS.UncaughtExceptionOrigin): void => {
    const error = asError(thrown)
    const place = placeIn(error.stack)
    const what =
      origin === 'unhandledRejection' ? 'a promise was rejected and nobody awaits it' : 'an error was thrown where nobody could catch it'
    const told = new CorebusError(
      'UNCAUGHT',
      `${what}: ${error.name}: ${messageOf(error)}${place === undefined ? '' : ` (${place})`}${during(messaging())}. The process ends: what it does after such an error cannot be trusted`,
      { cause: thrown },
    )
    end()
    void failed(told).finally(() => process.exit(EXIT.failed))
  }
  const end = (): void => {
    process.off('exit', onExit)
    process.off('uncaughtException', onUncaught)
  }
  process.on('exit', onExit)
  return { errorsToo: () => void process.on('uncaughtException', onUncaught), end }
}

function during(messaging: Messaging | undefined): string {
  if (!messaging) return ' while the entry was loaded'
  const running = messaging.health().groups.flatMap(({ group, handling }) => handling.map((what) => `${what} in group ${group}`))
  return running.length === 0 ? ', while nothing was handled' : `, while it handled ${running.join('; ')}`
}
