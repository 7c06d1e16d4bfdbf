import type { Driver, DriverOptions } from '../../driver.ts'
import { Broker } from './broker.ts'
import { fileSystemOf } from './file.ts'

/** What tests change; users have no reason to. */
export interface Tuning {
  /** Most messages kept of a topic that no group reads. */
  readonly ungroupedMessages: number
  readonly ungroupedKeepMs: number
  /** What every group has settled is kept this long. */
  readonly keepMs: number
  readonly trimEveryMs: number
  readonly maxPages: number | undefined
  readonly readOnly: boolean
  readonly watching: boolean
  readonly fileSystemOf: (folder: string) => number
  /** The clock of the machine, not of this process: what one delays another finds due. */
  readonly now: () => number
}

const HOUR_MS = 3_600_000
const DEFAULTS: Tuning = {
  ungroupedMessages: 1_000_000,
  ungroupedKeepMs: 7 * 24 * HOUR_MS,
  keepMs: 24 * HOUR_MS,
  trimEveryMs: 60_000,
  maxPages: undefined,
  readOnly: false,
  watching: true,
  fileSystemOf,
  now: () => Date.now(),
}

/** The embedded broker: one SQLite file that any number of processes on one machine share. `url` is a path, with or without `sqlite:` or `file:`. */
export function sqliteDriver(options: DriverOptions, tuning: Partial<Tuning> = {}): Driver {
  const tuned: Tuning = { ...DEFAULTS, ...tuning }
  const broker = new Broker(options, tuned)
  return {
    name: 'sqlite',
    capabilities: {
      durable: true,
      orderedAcrossProcesses: true,
      keepsHistory: true,
      longestHandlingMs: Number.POSITIVE_INFINITY,
      members: true,
      unclaimed: { messages: tuned.ungroupedMessages, keepMs: tuned.ungroupedKeepMs },
      unsettled: true,
    },
    admin: broker.admin,
    members: broker.members,
    connect: (onState) => broker.connect(onState),
    ensure: (topology, mode) => broker.ensure(topology, mode),
    publish: (messages, call) => broker.publish(messages, call),
    subscribe: (wanted) => broker.subscribe(wanted),
    tail: (wanted) => broker.tail(wanted),
    close: () => broker.close(),
  }
}
