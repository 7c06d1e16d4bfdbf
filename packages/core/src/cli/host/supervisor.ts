import type { Logger } from 'pino'
import { EXIT } from '../exit.ts'
import { reportText } from '../report.ts'
import type { Answer } from './health-server.ts'
import { Worker } from './worker.ts'

export interface SupervisorOptions {
  readonly count: number
  /** Of the worker: its command line and environment. */
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly logger: Logger
  /** Somebody is changing the code: what cannot be loaded waits for the next change. */
  readonly watching: boolean
}

/** One place for a worker, which outlives the processes that take it. */
interface Slot {
  readonly number: number
  worker: Worker | undefined
  backoffMs: number
  restart: NodeJS.Timeout | undefined
  /** It ends because it was told to, and its successor starts at once. */
  replacing: boolean
}

const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 10_000
/** Who lived this long was well: the next back-off is the first again. */
const LONG_LIFE_MS = 30_000
/** Workers say how they are every second; one silent for this long has a blocked event loop. */
const SILENCE_MS = 30_000
/** Until a worker has said how long its drain may take. */
const DEFAULT_SHUTDOWN_MS = 25_000
/** Above what a worker takes itself before it gives up closing. */
const STOP_SLACK_MS = 8_000

/** Runs several processes of one consumer and starts one that dies again. */
export class Supervisor {
  readonly #with: SupervisorOptions
  readonly #slots: readonly Slot[]
  readonly #end = Promise.withResolvers<number>()
  #stopping = false
  #everStarted = false
  #exitCode: number = EXIT.ok
  #shutdownMs = DEFAULT_SHUTDOWN_MS
  #deadline: NodeJS.Timeout | undefined

  constructor(options: SupervisorOptions) {
    this.#with = options
    this.#slots = Array.from({ length: options.count }, (_, i) => ({
      number: i + 1,
      worker: undefined,
      backoffMs: FIRST_BACKOFF_MS,
      restart: undefined,
      replacing: false,
    }))
  }

  /** Resolves with the exit code, when it was stopped and the last worker has ended. */
  run(): Promise<number> {
    for (const slot of this.#slots) this.#spawn(slot)
    return this.#end.promise
  }

  /** Every worker drains. */
  stop(): void {
    if (this.#stopping) return
    this.#stopping = true
    for (const slot of this.#slots) {
      clearTimeout(slot.restart)
      slot.worker?.stop()
    }
    const budgetMs = this.#shutdownMs + STOP_SLACK_MS
    this.#deadline = setTimeout(() => {
      this.#with.logger.error(`workers still run after ${budgetMs} ms: killed`)
      this.#exitCode = EXIT.failed
      this.kill()
    }, budgetMs)
    this.#endIfLast()
  }

  kill(): void {
    for (const { worker } of this.#slots) worker?.kill()
  }

  /** Every worker drains and gets a successor: the code has changed. */
  replace(): void {
    if (this.#stopping) return
    for (const slot of this.#slots) {
      clearTimeout(slot.restart)
      slot.replacing = true
      slot.backoffMs = FIRST_BACKOFF_MS
      if (slot.worker) slot.worker.stop()
      else this.#spawn(slot)
    }
  }

  /** For all of them: live while none is stuck or blocked, ready when all are. A worker that is being restarted is not ready. */
  health(): Answer & { readonly workers: readonly object[] } {
    const workers = this.#slots.map(({ number, worker }) => {
      const { health, at = 0 } = worker?.health ?? {}
      const silent = health !== undefined && performance.now() - at > SILENCE_MS
      const reasons = [
        ...(health?.reasons ?? [worker ? 'starting' : 'restarting']),
        ...(silent ? [`its event loop is blocked, silent for more than ${SILENCE_MS / 1_000} s`] : []),
      ]
      const live = !silent && (health?.live ?? true)
      return { worker: number, pid: worker?.pid, live, ready: live && (health?.ready ?? false), reasons, groups: health?.groups ?? [] }
    })
    return {
      live: workers.every(({ live }) => live),
      ready: !this.#stopping && workers.every(({ ready }) => ready),
      reasons: [
        ...(this.#stopping ? ['stopping'] : []),
        ...workers.flatMap(({ worker, reasons }) => reasons.map((reason) => `worker ${worker}: ${reason}`)),
      ],
      workers,
    }
  }

  #spawn(slot: Slot): void {
    slot.replacing = false
    const { args, env } = this.#with
    const worker = new Worker({
      args,
      env,
      onSaid: (said) => {
        if (said.kind !== 'started') return
        this.#everStarted = true
        this.#shutdownMs = said.shutdownMs
      },
      onEnd: (how, exitCode) => this.#ended(slot, worker, how, exitCode),
    })
    slot.worker = worker
  }

  #ended(slot: Slot, worker: Worker, how: string, exitCode: number | null): void {
    slot.worker = undefined
    const { watching, logger } = this.#with
    const { failure, started } = worker
    // What stops or replaces them is told; what the others say that have the same mistake is not.
    if (this.#stopping) this.#endIfLast()
    else if (slot.replacing) this.#spawn(slot)
    else if (!this.#everStarted && !watching && exitCode === EXIT.usage) this.#giveUp(failure?.message ?? how, failure?.detail)
    else if (watching && !started) {
      reportText(failure?.message ?? how, failure?.detail)
      logger.info('waiting for a change')
    } else this.#again(slot, worker, failure ? `${failure.message} (${how})` : how)
  }

  #again(slot: Slot, { pid, startedAt }: Worker, why: string): void {
    if (performance.now() - startedAt >= LONG_LIFE_MS) slot.backoffMs = FIRST_BACKOFF_MS
    const { number: worker, backoffMs } = slot
    this.#with.logger.warn({ worker, workerPid: pid, backoffMs }, `worker ${worker} (pid ${pid}) ended: ${why}; again in ${backoffMs} ms`)
    slot.restart = setTimeout(() => this.#spawn(slot), backoffMs)
    slot.backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS)
  }

  #giveUp(message: string, detail: string | undefined): void {
    reportText(message, detail)
    this.#exitCode = EXIT.usage
    this.stop()
  }

  #endIfLast(): void {
    if (this.#slots.some(({ worker }) => worker !== undefined)) return
    clearTimeout(this.#deadline)
    this.#end.resolve(this.#exitCode)
  }
}
