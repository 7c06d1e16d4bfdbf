import { setTimeout as sleep } from 'node:timers/promises'
import type { Line } from '../../two-apis/demo/child.ts'
import { until } from '../../two-apis/demo/until.ts'
import { lastWords, type ServiceProcess, stopAll, works } from './service-process.ts'

export interface SuperviseOptions {
  readonly names: readonly string[]
  readonly launch: (name: string, onLine: (line: Line) => void) => ServiceProcess
  readonly onLine: (line: Line) => void
  /** A process has ended by itself, or works again. */
  readonly onChange: (name: string, what: string) => void
  /** Ends the waiting for those that do not come up. */
  readonly signal: AbortSignal
  /** The first wait before a process is started again; each further one is twice as long, 16 s at most. Default: 1 s. */
  readonly firstBackoffMs?: number
  /** How long a process may need to come up for the first time, servers that are still starting included. Default: 90 s. */
  readonly upLimitMs?: number
}

/** Processes that are started again when they die. */
export interface Supervised {
  /** Resolves when all of them have come up. @throws Error with the last words of one that does not. */
  up(): Promise<void>
  /** Lets all of them finish and end, within a limit. Returns those that did not end with code 0. Safe to call twice. */
  stop(): Promise<readonly string[]>
}

const LONGEST_BACKOFF_MS = 16_000
/** A process that lived this long was well: the next back-off is the first again. */
const LONG_LIFE_MS = 30_000
/** How many lines of a process are kept for its last words. */
const KEPT_LINES = 200
/** The exit code of `npx corebus consumer` for a mistake that a second try meets again, and the error of this example that is one. */
const MISTAKE = { ended: 'exit code 2', says: 'SettingsError' } as const

/** Starts all of them, and one that dies by itself again, with back-off. */
export function supervise(options: SuperviseOptions): Supervised {
  const { names, upLimitMs = 90_000, signal } = options
  const over = new AbortController()
  const given = new AbortController()
  const slots = names.map((name) => new Slot(name, options, over.signal, given))
  let stopping: Promise<readonly string[]> | undefined
  for (const slot of slots) slot.start()

  async function up(): Promise<void> {
    const waits = { signal: AbortSignal.any([signal, given.signal]), limitMs: upLimitMs }
    await Promise.all(slots.map((slot) => until(`${slot.name} works`, () => slot.everWorked || undefined, waits).catch(slot.explain)))
  }
  async function end(): Promise<readonly string[]> {
    over.abort()
    return stopAll(slots.flatMap(({ running }) => running ?? []))
  }
  return {
    up,
    stop: () => {
      stopping ??= end()
      return stopping
    },
  }
}

/** A place for a process, which outlives those that take it. */
class Slot {
  readonly name: string
  running: ServiceProcess | undefined
  everWorked = false
  readonly #with: SuperviseOptions
  readonly #over: AbortSignal
  readonly #given: AbortController
  readonly #lines: Line[] = []
  #backoffMs: number

  constructor(name: string, options: SuperviseOptions, over: AbortSignal, given: AbortController) {
    this.name = name
    this.#with = options
    this.#over = over
    this.#given = given
    this.#backoffMs = options.firstBackoffMs ?? 1_000
  }

  start(): void {
    const startedAt = performance.now()
    let worked = false
    const running = this.#with.launch(this.name, (line) => {
      this.#lines.push(line)
      if (this.#lines.length > 2 * KEPT_LINES) this.#lines.splice(0, KEPT_LINES)
      this.#with.onLine(line)
      if (worked || !works(running)) return
      worked = true
      if (this.everWorked) this.#with.onChange(this.name, 'works again')
      this.everWorked = true
    })
    this.running = running
    void running.child.ended.then((how) => this.#ended(how, performance.now() - startedAt)) // ended never rejects
  }

  /** Says why the process does not come up. @throws Error always */
  explain = (thrown: unknown): never => {
    if (this.#with.signal.aborted || this.#given.signal.aborted) throw this.#given.signal.reason ?? thrown
    throw new Error(`${this.name} does not come up. ${lastWords(this.#lines, this.name)}`)
  }

  #ended(how: string, livedMs: number): void {
    this.running = undefined
    if (this.#over.aborted) return
    if (!this.everWorked && (how === MISTAKE.ended || this.#lines.some(({ text }) => text.includes(MISTAKE.says)))) {
      this.#given.abort(new Error(`${this.name} ended by itself (${how}). ${lastWords(this.#lines, this.name)}`))
      return
    }
    if (livedMs >= LONG_LIFE_MS) this.#backoffMs = this.#with.firstBackoffMs ?? 1_000
    const afterMs = this.#backoffMs
    this.#backoffMs = Math.min(afterMs * 2, LONGEST_BACKOFF_MS)
    this.#with.onChange(this.name, `ended by itself (${how}), and is started again in ${afterMs / 1_000} s`)
    void this.#again(afterMs)
  }

  /** The wait ends early, and without a start, when all of them are stopped. */
  async #again(afterMs: number): Promise<void> {
    await sleep(afterMs, undefined, { signal: this.#over }).catch(() => undefined)
    if (!this.#over.aborted) this.start()
  }
}
