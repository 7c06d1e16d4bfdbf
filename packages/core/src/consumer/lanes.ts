import { Queue } from '../collections/queue.ts'
import { RenewedMap } from '../collections/renewed-map.ts'

/** Something that runs in a lane. */
export interface Job {
  /** Jobs of one lane run one after another; without a lane a job is on its own. */
  readonly lane: string | undefined
  /** Begins when nothing else runs, and nothing begins beside it until it is done or has run for `ALONE_MS`. */
  readonly alone: boolean
}

/** What a finished job leaves: its lane goes on now, or waits so long for the same job to run again. */
export type Rest = undefined | { readonly againAfterMs: number }

export interface LanesOptions<J extends Job> {
  readonly concurrency: number
  /** Must neither throw nor reject. */
  readonly run: (job: J) => Rest | Promise<Rest>
  readonly after: (ms: number, fn: () => void) => () => void
  /** `held` has changed. */
  readonly onHeld?: () => void
}

/** A job that runs for longer than this must not keep the others waiting: they would be there when it ends the process, and done by then if they begin. */
const ALONE_MS = 250

/** Runs at most `concurrency` jobs at once, those of one lane in order, one at a time. */
export class Lanes<J extends Job> {
  readonly #options: LanesOptions<J>
  /** Lanes with a job, and what waits behind it. Most have nothing, and need no array. */
  readonly #lines = new RenewedMap<string, J[] | undefined>()
  /** May start when there is room. */
  #ready = new Queue<J>()
  #running = 0
  #alone: J | undefined
  #cancelAlone: (() => void) | undefined
  /** Running jobs that were alone for as long as they may be. */
  #notAlone = 0
  #stopped = false
  #starting = false
  readonly #parked = new Map<J, () => void>()
  #idle: (() => void)[] = []

  constructor(options: LanesOptions<J>) {
    this.#options = options
  }

  get running(): number {
    return this.#running
  }

  /** Jobs that only wait: in a lane that waits for its job to run again. */
  get held(): number {
    let held = 0
    for (const { lane } of this.#parked.keys()) held += 1 + (lane === undefined ? 0 : (this.#lines.get(lane)?.length ?? 0))
    return held
  }

  push(jobs: readonly J[]): void {
    for (const job of jobs) {
      if (job.lane !== undefined && this.#lines.has(job.lane)) this.#wait(job, job.lane)
      else {
        if (job.lane !== undefined) this.#lines.set(job.lane, undefined)
        this.#ready.push(job)
      }
    }
    this.#start()
    if (this.#parked.size > 0) this.#options.onHeld?.()
  }

  #wait(job: J, lane: string): void {
    const line = this.#lines.get(lane)
    if (line) line.push(job)
    else this.#lines.set(lane, [job])
  }

  /** Forgets waiting jobs: they never start. What runs goes on. */
  drop(match: (job: J) => boolean): void {
    const ready = [...this.#ready]
    this.#ready = new Queue()
    for (const job of ready) if (!match(job)) this.#ready.push(job)
    for (const [lane, line] of this.#lines)
      if (line)
        this.#lines.set(
          lane,
          line.filter((job) => !match(job)),
        )
    for (const [job, cancel] of this.#parked)
      if (match(job)) {
        cancel()
        this.#parked.delete(job)
        this.#next(job)
      }
    for (const job of ready) if (match(job)) this.#next(job)
    this.#start()
    this.#tellIdle()
  }

  /** Nothing starts any more. */
  stop(): void {
    this.#stopped = true
    for (const cancel of this.#parked.values()) cancel()
    this.#parked.clear()
    this.#cancelAlone?.()
    this.#tellIdle()
  }

  /** Resolves when nothing runs. Call it after `stop`. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** A job that is done at once makes room for the next, and whatever it pushes waits its turn. */
  #start(): void {
    if (this.#starting) return
    this.#starting = true
    while (!this.#stopped && !this.#alone && this.#running < this.#options.concurrency) {
      const job = this.#ready.peek()
      if (!job || (job.alone && this.#running > this.#notAlone)) break
      this.#ready.shift()
      this.#running++
      if (job.alone) this.#alone = job
      const rest = this.#run(job)
      if (job.alone && rest instanceof Promise) this.#cancelAlone = this.#options.after(ALONE_MS, () => this.#letOthersBegin())
      if (rest instanceof Promise) void rest.then((rest) => this.#finish(job, rest))
      else this.#leave(job, rest)
    }
    this.#starting = false
    this.#tellIdle()
  }

  /** What `run` throws is a fault of ours. Nobody hears of the rejection, so it ends the process; thrown, it would leave these lanes standing still. */
  #run(job: J): Rest | Promise<Rest> {
    try {
      return this.#options.run(job)
    } catch (thrown) {
      return Promise.reject(thrown)
    }
  }

  #finish(job: J, rest: Rest): void {
    this.#leave(job, rest)
    this.#start()
  }

  #letOthersBegin(): void {
    this.#alone = undefined
    this.#notAlone++
    this.#start()
  }

  #leave(job: J, rest: Rest): void {
    this.#running--
    if (this.#alone === job) {
      this.#alone = undefined
      this.#cancelAlone?.()
    } else if (job.alone) this.#notAlone--
    if (rest && !this.#stopped) this.#park(job, rest.againAfterMs)
    else this.#next(job)
  }

  /** The lane stays taken, the place to run does not: other lanes go on. */
  #park(job: J, ms: number): void {
    const cancel = this.#options.after(ms, () => {
      this.#parked.delete(job)
      this.#ready.push(job)
      this.#start()
      this.#options.onHeld?.()
    })
    this.#parked.set(job, cancel)
    this.#options.onHeld?.()
  }

  #next({ lane }: J): void {
    if (lane === undefined) return
    const next = this.#lines.get(lane)?.shift()
    if (next) this.#ready.push(next)
    else this.#lines.delete(lane)
  }

  #tellIdle(): void {
    if (this.#running > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
