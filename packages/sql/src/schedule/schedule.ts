import { CorebusError, type EventType, type Host } from '@corebus/core'
import { awaitsCompanion, checkOptions, must, type Option } from '@corebus/core/internal'
import { Cron } from 'croner'
import { checkLeaseName } from '../lease/lease.ts'

/** What a run is told. */
export interface ScheduleRun {
  readonly name: string
  /** The time for which it was planned. It is earlier than now, and much earlier for a run that is made up. */
  readonly due: Date
  /** It is greater than that of all runs before: of a run that goes on after its lease was lost, writes with a smaller fence can be refused. */
  readonly fence: number
  /** Aborted when the lease may be somebody else's, and when the instance is closed and the run has not ended in its time. Stop then. */
  readonly signal: AbortSignal
  readonly logger: Host['logger']
}

export type ScheduledFunction = (run: ScheduleRun) => unknown

export interface ScheduleOptions {
  /** Of the cron expression, such as `'Europe/Berlin'`. Default UTC, whatever the time zone of the process. */
  readonly timeZone?: string
}

export interface EventScheduleOptions<Data> extends ScheduleOptions {
  /** The data of the event, or what gives it for a run. */
  readonly data: Data | ((run: Pick<ScheduleRun, 'name' | 'due'>) => Data)
}

/** The default that the type of the options and their check share. */
const UTC = 'UTC'

export const SCHEDULE: Readonly<Record<keyof EventScheduleOptions<unknown>, Option>> = {
  timeZone: {
    default: '`UTC`',
    must: must("the name of a time zone, such as 'Europe/Berlin'", isTimeZone),
    text: 'the time zone of the cron expression, whatever that of the process. A time that a change to summer time leaves out is run when the gap is over, and one that comes twice is run once',
  },
  data: {
    default: 'none: an event needs it',
    must: must('data', () => true),
    text: 'of an event: its data, or a function `({ name, due }) => data`',
  },
}

/** Something that is run by the clock. */
export interface Schedule {
  readonly name: string
  readonly cron: string
  readonly timeZone: string
  readonly what:
    | { readonly kind: 'function'; readonly run: ScheduledFunction }
    | { readonly kind: 'event'; readonly type: EventType; readonly data: unknown }
}

/**
 * Runs a function, or publishes an event, by the clock: once in the whole cluster, by one of the processes whose default instance has
 * `schedules: sqlSchedules()`. Times that were missed, because no process ran, are made up for by one run.
 *
 * An event is published through the outbox, in the transaction that marks the run. A function runs under a lease: when its process dies another one
 * runs it again, so it may be run twice; when it throws, that is logged, and its next time is the next one of the expression.
 * @param cron five fields (minute, hour, day, month, weekday), or six with seconds before them
 * @throws CorebusError SCHEDULE for an expression that is wrong or has no time to come, NAME, OPTION
 * @example
 * schedule('nightly', '0 3 * * *', async ({ signal }) => report(signal), { timeZone: 'Europe/Berlin' })
 * schedule('month-end', '0 0 1 * *', MonthEnded, { data: ({ due }) => ({ month: due.getUTCMonth() }) })
 */
export function schedule(name: string, cron: string, run: ScheduledFunction, options?: ScheduleOptions): Schedule
export function schedule<Name extends string, Data>(
  name: string,
  cron: string,
  type: EventType<Name, Data>,
  options: EventScheduleOptions<Data>,
): Schedule
export function schedule(name: string, cron: string, what: ScheduledFunction | EventType, options: object = {}): Schedule {
  const made = define(name, cron, what, options)
  awaitsCompanion('schedules', {
    where: `schedule ${name}`,
    hint: 'Give configureMessaging({ schedules: sqlSchedules() })',
    what: made,
  })
  return made
}

/** The same for `sqlSchedules({ only: [...] })`: it is of no default instance, and is run where it is given. */
export function defineSchedule(name: string, cron: string, run: ScheduledFunction, options?: ScheduleOptions): Schedule
export function defineSchedule<Name extends string, Data>(
  name: string,
  cron: string,
  type: EventType<Name, Data>,
  options: EventScheduleOptions<Data>,
): Schedule
export function defineSchedule(name: string, cron: string, what: ScheduledFunction | EventType, options: object = {}): Schedule {
  return define(name, cron, what, options)
}

function define(name: string, cron: string, what: ScheduledFunction | EventType, options: object): Schedule {
  checkLeaseName('a schedule', name)
  const where = `schedule ${name}`
  checkOptions(where, options, SCHEDULE)
  const { timeZone = UTC } = options as ScheduleOptions
  const made: Schedule = { name, cron, timeZone, what: asWhat(where, what, options) }
  nextAfter(made, Date.now())
  return made
}

function asWhat(where: string, what: ScheduledFunction | EventType, options: object): Schedule['what'] {
  if (typeof what === 'function') {
    if ('data' in options) throw new CorebusError('SCHEDULE', `${where} has data and runs a function: data is for an event`)
    return { kind: 'function', run: what }
  }
  if (typeof what !== 'object' || what === null || typeof what.encode !== 'function')
    throw new CorebusError('SCHEDULE', `${where} has nothing to run: give it a function, or an event of defineEvent`)
  if (!('data' in options)) throw new CorebusError('SCHEDULE', `${where} publishes ${what.name} without data: say { data }`)
  return { kind: 'event', type: what, data: options.data }
}

/** The first time of the schedule after `ms`, in ms since the epoch. @throws CorebusError SCHEDULE where there is none */
export function nextAfter({ name, cron, timeZone }: Pick<Schedule, 'name' | 'cron' | 'timeZone'>, ms: number): number {
  let next: Date | null
  // Of a single time there is no next one to plan.
  if (/^\s*\d+-\d+-\d+T/.test(cron))
    throw new CorebusError(
      'SCHEDULE',
      `schedule ${name} has one time instead of a cron expression: ${cron}. For an event that leaves once, publishEvent(..., { at })`,
    )
  try {
    next = new Cron(cron, { timezone: timeZone, mode: '5-or-6-parts' }).nextRun(new Date(ms))
  } catch (cause) {
    throw new CorebusError('SCHEDULE', `schedule ${name} has a cron expression that is wrong: ${(cause as Error).message}`, { cause })
  }
  if (!next) throw new CorebusError('SCHEDULE', `schedule ${name} has a cron expression of which no time is to come: ${cron}`)
  return next.getTime()
}

function isTimeZone(value: unknown): boolean {
  try {
    return typeof value === 'string' && new Intl.DateTimeFormat('en', { timeZone: value }) !== undefined
  } catch {
    return false
  }
}
