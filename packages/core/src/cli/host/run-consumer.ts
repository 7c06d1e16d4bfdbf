import { asError, COMMAND, CorebusError } from '../../errors.ts'
import type { Messaging } from '../../messaging.ts'
import { checkDurable } from '../durable.ts'
import { codeOf } from '../exit.ts'
import type { Host } from './host.ts'
import { shown } from './place.ts'
import { runHosted } from './run-hosted.ts'

export interface RunOptions {
  readonly entry: string
  /** Instead of the nearest above the entry. */
  readonly tsconfig: string | undefined
  readonly topics: readonly string[]
  readonly groups: readonly string[]
  readonly concurrency: number | undefined
  /** One of several processes. */
  readonly worker: boolean
  readonly host: Host
}

/** One consumer process: runs the handlers of the entry until it is told to stop or cannot go on, and drains. Returns the exit code. */
export function runConsumer(options: RunOptions): Promise<number> {
  const { entry, tsconfig, host, worker } = options
  return runHosted({
    entry,
    tsconfig,
    host,
    begin: async (messaging, stuck) => {
      if (worker) checkDurable('--workers', await messaging.driver())
      await start(messaging, options, stuck)
      if (!(await messaging.driver()).capabilities.durable)
        messaging.logger.warn('this broker ends with this process, and no other process can reach it: for one process alone, or tests')
    },
  })
}

async function start(
  messaging: Messaging,
  { entry, topics, groups, concurrency }: RunOptions,
  onStuck: (what: string) => void,
): Promise<void> {
  try {
    await messaging.start({ topics, groups, onStuck, ...(concurrency !== undefined && { concurrency }) })
  } catch (error) {
    if (codeOf(error) === 'NO_HANDLERS')
      throw new CorebusError('NO_HANDLERS', `${shown(entry)} was loaded, and ${asError(error).message}`, { cause: error })
    if (codeOf(error) !== 'STARTED') throw error
    const advice = `${shown(entry)} starts messaging itself. Leave that out: an entry only registers handlers, and ${COMMAND} consumer starts them`
    throw new CorebusError('STARTED', advice, { cause: error })
  }
}
