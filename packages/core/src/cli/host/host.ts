import type { Messaging } from '../../messaging.ts'
import { onSignals } from '../../process/signals.ts'
import { exitCodeOf } from '../exit.ts'
import { detailOf, messageOf, report } from '../report.ts'
import { type HealthAddress, serveHealth } from './health-server.ts'
import { isTold, say } from './ipc.ts'

const REPORT_MS = 1_000

/** Who a consumer process answers to: a terminal or container, or the supervisor that forked it. */
export interface Host {
  onStop(stop: (why: string) => void): void
  /** The handlers are known and about to start. `stopping` becomes true when the drain begins. */
  open(messaging: Messaging, stopping: () => boolean): Promise<void>
  started(messaging: Messaging): Promise<void>
  failed(error: unknown): Promise<void>
}

/** A process of its own: signals, its own health port, errors on stderr. */
export function standalone({ address, verbose }: { readonly address: HealthAddress | undefined; readonly verbose: boolean }): Host {
  return {
    onStop: (stop) => onSignals(stop),
    open: async (messaging, stopping) => {
      if (!address) return
      const at = await serveHealth(address, () => healthOf(messaging, stopping()))
      messaging.logger.info({ at }, `health at ${at}/livez and ${at}/readyz`)
    },
    started: async () => undefined,
    failed: async (error) => report(error, verbose),
  }
}

/** Below a supervisor: it says when to stop, prints what went wrong and answers the probes. */
export function supervised({ verbose }: { readonly verbose: boolean }): Host {
  return {
    onStop: (stop) => {
      process.on('message', (message) => isTold(message) && stop('told by the supervisor'))
      // The supervisor is gone, perhaps by kill -9: nobody would stop or restart us any more.
      process.on('disconnect', () => stop('the supervisor is gone'))
      process.on('SIGTERM', stop)
      // Ctrl-C reaches the whole process group; the supervisor tells us what it means.
      process.on('SIGINT', () => undefined)
      if (!process.connected) stop('the supervisor is gone')
    },
    open: async (messaging, stopping) => {
      // unref: it ends with the process, which the supervisor's channel keeps alive.
      setInterval(() => void say({ kind: 'health', health: healthOf(messaging, stopping()) }), REPORT_MS).unref()
    },
    started: async (messaging) => {
      await say({ kind: 'health', health: healthOf(messaging, false) })
      await say({ kind: 'started', shutdownMs: messaging.settings.shutdownMs })
    },
    failed: (error) =>
      say({ kind: 'failed', message: messageOf(error), detail: verbose ? detailOf(error) : undefined, exitCode: exitCodeOf(error) }),
  }
}

function healthOf(messaging: Messaging, stopping: boolean): ReturnType<Messaging['health']> {
  const health = messaging.health()
  return stopping ? { ...health, ready: false, reasons: [...health.reasons, 'stopping'] } : health
}
