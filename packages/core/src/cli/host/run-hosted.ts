import { subscribe } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { Hold } from '../../clock.ts'
import { asError, CorebusError } from '../../errors.ts'
import type { Messaging } from '../../messaging.ts'
import { CHANNEL, type StateRecord } from '../../observe/channels.ts'
import { becomeHost } from '../../process/hosted.ts'
import { importCore } from '../copy.ts'
import { EXIT, exitCodeOf } from '../exit.ts'
import { tellDeaths } from './deaths.ts'
import { loadEntry } from './entry.ts'
import type { Host } from './host.ts'

export interface HostedOptions {
  readonly entry: string
  /** Instead of the nearest above the entry. */
  readonly tsconfig: string | undefined
  readonly host: Host
  /** Begins the work of the process. `stuck` ends it with 70. What it throws ends the process too. */
  readonly begin: (messaging: Messaging, stuck: (what: string) => void) => Promise<void>
}

type End =
  | { readonly kind: 'stop' }
  | { readonly kind: 'stuck'; readonly what: string }
  | { readonly kind: 'failed'; readonly error: unknown }

/** Above what `close` itself may take: the drain, then the handlers' time to notice that they are aborted. */
const CLOSE_SLACK_MS = 5_000

/** One process that loads the entry, works with its default instance until it is told to stop or cannot go on, and drains. Returns the exit code. */
export async function runHosted(options: HostedOptions): Promise<number> {
  const { host } = options
  const end = Promise.withResolvers<End>()
  let messaging: Messaging | undefined
  let stopping = false
  // While the entry loads nothing of ours keeps the process up: one that never finishes loading is noticed by that.
  const hold = new Hold()
  const deaths = tellDeaths({ messaging: () => messaging, isStopping: () => stopping, failed: host.failed })
  const fail = (error: unknown): void => end.resolve({ kind: 'failed', error })

  const run = async (): Promise<void> => {
    becomeHost()
    await loadEntry(options.entry, { tsconfig: options.tsconfig, onFailure: fail })
    deaths.errorsToo()
    hold.on()
    messaging = (await importCore(options.entry)).defaultMessaging()
    await host.open(messaging, () => stopping)
    onDead(fail)
    await options.begin(messaging, (what) => end.resolve({ kind: 'stuck', what }))
    await host.started(messaging)
  }

  host.onStop((why) => {
    if (!stopping) messaging?.logger.info({ why }, `${why}: stopping`)
    stopping = true
    end.resolve({ kind: 'stop' })
  })
  run().catch(fail)
  const ended = await end.promise
  stopping = true
  return exitCode(ended, messaging, host).finally(deaths.end)
}

async function exitCode(ended: End, messaging: Messaging | undefined, host: Host): Promise<number> {
  switch (ended.kind) {
    case 'stuck':
      await host.failed(new CorebusError('STUCK', ended.what))
      return EXIT.stuck
    case 'stop':
      if (!(await closed(messaging, host))) return EXIT.failed
      messaging?.logger.info('stopped')
      return EXIT.ok
    case 'failed':
      await host.failed(ended.error)
      await closed(messaging, host)
      return exitCodeOf(ended.error)
  }
}

/** By the channel, not by asking: it also says why. */
function onDead(fail: (error: unknown) => void): void {
  subscribe(CHANNEL.state, (message) => {
    const { state, group, error } = message as StateRecord
    if (state !== 'dead') return
    const what = group === undefined ? 'the broker cannot be used any more' : `group ${group} stopped consuming and cannot go on`
    fail(new CorebusError('DEAD', `${what}: ${error?.message}`, { cause: error }))
  })
}

/** False when it did not close in time or not well; then that is told. */
async function closed(messaging: Messaging | undefined, host: Host): Promise<boolean> {
  if (!messaging) return true
  const budgetMs = messaging.settings.shutdownMs + CLOSE_SLACK_MS
  try {
    const late = sleep(budgetMs, true, { ref: false })
    const isLate = await Promise.race([messaging.close().then(() => false), late])
    if (!isLate) return true
    await host.failed(new CorebusError('CLOSE', `not closed within ${budgetMs} ms: the process ends without waiting any longer`))
  } catch (error) {
    await host.failed(new CorebusError('CLOSE', `closing failed: ${asError(error).message}`, { cause: error }))
  }
  return false
}
