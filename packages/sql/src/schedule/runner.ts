import { CorebusError, type Host } from '@corebus/core'
import type { SqlDatabase } from '../database/database.ts'
import { orMissing } from '../database/schema.ts'
import { answering } from '../database/silent.ts'
import { whileHeld } from '../lease/holding.ts'
import type { Held } from '../lease/store.ts'
import { asideOfAll, atMost, slept } from '../process/every.ts'
import { newOwner, placeOf } from '../process/owner.ts'
import { nextAfter, type Schedule, type ScheduledFunction } from './schedule.ts'
import { isAsPlanned, type Plan, type ScheduleStore } from './store.ts'

export interface RunnerOptions {
  readonly database: SqlDatabase
  readonly store: ScheduleStore
  /** The name of the store's table, for messages to people. */
  readonly table: string
  /** Asked at each look: what is registered later is run too. */
  readonly schedules: () => readonly Schedule[]
  readonly host: Pick<Host, 'logger' | 'publishEvent'>
  /** How often the database is looked at when nothing is due. */
  readonly pollMs: number
  /** How long after the death of a process another one runs its function again. */
  readonly ttlMs: number
  /** A statement that is not answered by then never will be. Default 30,000. */
  readonly silentMs?: number
}

/** No schedule has this name. */
const DATABASE = ''

/** When to look again at a run that another process has taken. */
const TAKEN_MS = 100

/** What became of a run. */
export type Ran =
  | { readonly kind: 'done' }
  /** Another process has taken it. */
  | { readonly kind: 'elsewhere' }
  /** Another process makes up for it: the lease was lost, or the instance was closed. */
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'failed'; readonly error: unknown }

/** Runs the schedules of one process. */
export class Runner {
  readonly #options: RunnerOptions
  readonly #ending = new AbortController()
  /** Functions that run, by the name of their schedule. */
  readonly #running = new Map<string, Promise<void>>()
  readonly #aborting = new AbortController()
  #wake = new AbortController()
  #loop: Promise<void> | undefined
  /** What goes wrong at the moment, by the name of the schedule; of the database itself under `DATABASE`. */
  readonly #troubles = new Map<string, string>()

  constructor(options: RunnerOptions) {
    this.#options = { ...options, database: answering(options.database, options.silentMs) }
  }

  /** Of the database alone: a schedule that fails takes no process out of service. */
  get trouble(): string | undefined {
    return this.#troubles.get(DATABASE)
  }

  begin(): void {
    if (!this.#ending.signal.aborted) this.#loop ??= asideOfAll(() => this.#run())
  }

  /** Waits for functions that run; those that have not ended after nine tenths of the time are aborted, and made up for by another process. */
  async end(withinMs: number): Promise<void> {
    this.#ending.abort()
    this.#wake.abort()
    const over = async (): Promise<void> => {
      await this.#loop
      await Promise.all(this.#running.values())
    }
    const ended = over()
    await atMost(withinMs * 0.9, ended)
    if (this.#running.size === 0) return
    this.#aborting.abort(new Error('the instance is closed'))
    await atMost(withinMs * 0.1, ended)
  }

  /** Runs what is due, and resolves with how long nothing more will be; undefined without schedules. */
  async catchUp(): Promise<number | undefined> {
    for (;;) {
      if (!this.#loop || this.#ending.signal.aborted) return undefined
      const waitMs = await this.#look()
      if (this.#running.size > 0) await Promise.all(this.#running.values())
      else if (waitMs > 0) return Number.isFinite(waitMs) ? waitMs : undefined
    }
  }

  /**
   * Runs one now, under its lease, and plans its next run as after any other. The signal interrupts its function.
   * @throws CorebusError SCHEDULE_RUNS while it runs somewhere
   */
  async runNow(schedule: Schedule, signal: AbortSignal): Promise<Ran> {
    const { database, store } = this.#options
    const { name, what } = schedule
    const due = await database.transaction(async (tx) => {
      await store.prepare(tx, schedule)
      const { now, planned } = await store.plan(tx, [name])
      const { owner = '', expires = 0 } = planned.get(name) ?? {}
      if (expires > now) throw runs(name, owner)
      await store.runNow(tx, name)
      return (await store.plan(tx, [name])).planned.get(name)?.due ?? now
    })
    if (what.kind === 'event') return { kind: (await this.#advance(schedule, what, due)) ? 'done' : 'elsewhere' }
    const interrupt = (): void => this.#aborting.abort(signal.reason)
    signal.addEventListener('abort', interrupt)
    if (signal.aborted) interrupt()
    return this.#once(schedule, what.run, due).finally(() => signal.removeEventListener('abort', interrupt))
  }

  async #run(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      this.#wake = new AbortController()
      const waitMs = Math.min(this.#options.pollMs, await this.#look())
      await slept(waitMs, AbortSignal.any([this.#wake.signal, this.#ending.signal]), true)
    }
  }

  /** Runs what is due. Returns how long nothing will be. */
  async #look(): Promise<number> {
    const { database, store, table, pollMs } = this.#options
    const schedules = this.#options.schedules()
    if (schedules.length === 0) return Number.POSITIVE_INFINITY
    const names = schedules.map(({ name }) => name)
    try {
      const plan = await database.read((tx) => store.plan(tx, names))
      this.#well(DATABASE)
      const waits: number[] = []
      for (const schedule of schedules) if (!this.#ending.signal.aborted) waits.push(await this.#dueIn(schedule, plan))
      return Math.min(...waits)
    } catch (thrown) {
      this.#failed(DATABASE, 'the database cannot be asked what is due', orMissing(thrown, table, database.where))
      return pollMs
    }
  }

  /** How long it is until the schedule is to be looked at again. */
  async #dueIn(schedule: Schedule, { now, planned }: Plan): Promise<number> {
    const { database, store, pollMs } = this.#options
    const known = planned.get(schedule.name)
    if (!known || (!isAsPlanned(schedule, known) && known.due > now)) {
      await database.transaction((tx) => store.prepare(tx, schedule))
      return 0
    }
    if (this.#running.has(schedule.name)) return pollMs
    if (known.due > now) return known.due - now
    if (known.expires > now) return known.expires - now
    return schedule.what.kind === 'event' ? this.#publish(schedule, known.due) : this.#start(schedule, schedule.what.run, known.due)
  }

  async #publish(schedule: Schedule, due: number): Promise<number> {
    const { database, store, pollMs } = this.#options
    const { name, what } = schedule
    if (what.kind !== 'event') return pollMs
    try {
      const taken = await this.#advance(schedule, what, due)
      this.#well(name)
      return taken ? 0 : TAKEN_MS
    } catch (thrown) {
      const isNew = this.#failed(name, `schedule ${name} cannot publish ${what.type.name}`, thrown)
      // For who looks at the table. Where it cannot be written either, the log has it.
      if (isNew) await database.transaction((tx) => store.note(tx, name, textOf(thrown))).catch(() => undefined)
      return pollMs
    }
  }

  /** Publishes the event of a run in the transaction that marks it. False when another process has the run. */
  #advance(schedule: Schedule, { type, data }: Publishes, due: number): Promise<boolean> {
    const { database, store, host } = this.#options
    return database.transaction(async (tx) => {
      if (!(await store.advance(tx, schedule, due))) return false
      const given: unknown = typeof data === 'function' ? data({ name: schedule.name, due: new Date(due) }) : data
      await host.publishEvent(type as never, given, { tx })
      return true
    })
  }

  #start(schedule: Schedule, run: ScheduledFunction, due: number): number {
    const { name } = schedule
    const running = this.#once(schedule, run, due)
      .then(() => this.#well(name))
      .catch((thrown: unknown) => void this.#failed(name, `the run of schedule ${name} cannot be marked`, thrown))
      .finally(() => {
        this.#running.delete(name)
        this.#wake.abort()
      })
    this.#running.set(name, running)
    return this.#options.pollMs
  }

  async #once(schedule: Schedule, run: ScheduledFunction, due: number): Promise<Ran> {
    const { database, store, host, ttlMs } = this.#options
    const { name } = schedule
    const takenAt = performance.now()
    const claimed = await database.transaction(async (tx): Promise<{ held: Held; next: number } | undefined> => {
      const { now } = await store.plan(tx, [name])
      const held = await store.claim(tx, name, { due, owner: newOwner(), ttlMs })
      return held && { held, next: nextAfter(schedule, now) }
    })
    if (!claimed) return { kind: 'elsewhere' }
    const { held, next } = claimed
    const aborting = this.#aborting.signal
    let isLost = () => false
    let failed: { readonly error: unknown } | undefined
    try {
      await whileHeld({ database, store, held, ttlMs, takenAt }, async ({ fence, signal }) => {
        isLost = () => signal.aborted
        await run({ name, due: new Date(due), fence, signal: AbortSignal.any([signal, aborting]), logger: host.logger })
      })
    } catch (thrown) {
      if (isLost()) {
        host.logger.error(
          { err: thrown, schedule: name },
          `schedule ${name} has lost its lease while it ran: another process runs it again`,
        )
        return { kind: 'interrupted' }
      }
      if (aborting.aborted) {
        host.logger.info(
          { schedule: name },
          `schedule ${name} was interrupted: ${textOf(aborting.reason)}. Another process makes up for it`,
        )
        await database.transaction((tx) => store.release(tx, held))
        return { kind: 'interrupted' }
      }
      host.logger.error({ err: thrown, schedule: name }, `schedule ${name} has failed: its next run is at ${new Date(next).toISOString()}`)
      failed = { error: thrown }
    }
    await database.transaction((tx) => store.finish(tx, held, { schedule, due, next, failed: failed && textOf(failed.error) }))
    return failed ? { kind: 'failed', ...failed } : { kind: 'done' }
  }

  /** Whether it is new: what goes on failing in the same way is said once. */
  #failed(name: string, what: string, thrown: unknown): boolean {
    const said = `${what}: ${textOf(thrown)}`
    const isNew = this.#troubles.get(name) !== said && !this.#ending.signal.aborted
    if (isNew) this.#options.host.logger.error({ err: thrown }, what)
    this.#troubles.set(name, said)
    return isNew
  }

  #well(name: string): void {
    if (this.#troubles.delete(name))
      this.#options.host.logger.info(name === DATABASE ? 'schedules run again' : `schedule ${name} runs again`)
  }
}

type Publishes = Extract<Schedule['what'], { readonly kind: 'event' }>

function runs(name: string, owner: string): CorebusError {
  const place = placeOf(owner)
  const where = place ? ` on ${place.host}, process ${place.pid}` : ''
  return new CorebusError('SCHEDULE_RUNS', `schedule ${name} runs already${where}: two runs at once are not possible. Wait for its end`)
}

const textOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
