import { asError, CorebusError } from '../../errors.ts'
import type { Messaging } from '../../messaging.ts'
import { EXIT } from '../exit.ts'
import { messageOf, reportText } from '../report.ts'
import { placeIn } from './place.ts'

export interface DeathsOptions {
  /** Undefined until the entry is loaded. */
  readonly messaging: () => Messaging | undefined
  /** It was told to stop, and drains. */
  readonly isStopping: () => boolean
  /** The host's own way to tell what went wrong. */
  readonly failed: (error: unknown) => Promise<void>
}

export interface Deaths {
  /** From now on: while the entry is loaded, whoever loads it hears of errors. */
  errorsToo(): void
  /** Ends the watch: what follows is the end that was asked for. */
  end(): void
}

/** What a second signal ends the process with, at once, as it was told to. */
const SIGNALLED = [130, 143]

/**
 * A handler must not take its process away without a word: `process.exit` and an error that nobody awaits are told, with what was being handled
 * then, and the process does not end as if all were well. Nothing is drained, so that what kills its process counts as a crash.
 */
export function tellDeaths({ messaging, isStopping, failed }: DeathsOptions): Deaths {
  const onExit = (code: number): void => {
    if (SIGNALLED.includes(code)) return
    const running = handledBy(messaging())
    // An entry may close and end by itself, as on a signal of its own: what was closed has been drained.
    if (running.length === 0 && (isStopping() || isClosed(messaging()))) return
    const place = placeIn(new Error().stack)
    const at = place === undefined ? '' : ` (${place})`
    const advice = running.length === 0 ? 'A signal stops a consumer' : 'Throw an error in the handler instead; a signal stops a consumer'
    reportText(`process.exit(${code}) was called${at}${during(messaging())}. Nothing was drained. ${advice}`, undefined)
    if (code === EXIT.ok) process.exitCode = EXIT.failed
  }
  const onUncaught = (thrown: unknown, origin: NodeJS.UncaughtExceptionOrigin): void => {
    const error = asError(thrown)
    const place = placeIn(error.stack)
    const what =
      origin === 'unhandledRejection' ? 'a promise was rejected and nobody awaits it' : 'an error was thrown where nobody could catch it'
    // A listener of the app's own decides itself, as it does in any process: it may send a report first.
    const isOurs = process.listenerCount('uncaughtException') === 1
    const then = isOurs ? ' The process ends: what it does after such an error cannot be trusted' : ''
    const told = new CorebusError(
      'UNCAUGHT',
      `${what}: ${error.name}: ${messageOf(error)}${place === undefined ? '' : ` (${place})`}${during(messaging())}.${then}`,
      { cause: thrown },
    )
    if (isOurs) end()
    void failed(told).finally(() => isOurs && process.exit(EXIT.failed))
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
  const running = handledBy(messaging)
  return running.length === 0 ? ', while nothing was handled' : `, while it handled ${running.join('; ')}`
}

function handledBy(messaging: Messaging | undefined): readonly string[] {
  return messaging?.health().groups.flatMap(({ group, handling }) => handling.map((what) => `${what} in group ${group}`)) ?? []
}

function isClosed(messaging: Messaging | undefined): boolean {
  const groups = messaging?.health().groups ?? []
  return groups.length > 0 && groups.every(({ state }) => state === 'stopped')
}
