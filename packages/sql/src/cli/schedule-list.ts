import { type Column, type Command, EXIT_HELP, print, redactText, table, withEntry } from '@corebus/core/internal/cli'
import { placeOf } from '../process/owner.ts'
import { nextAfter, type Schedule } from '../schedule/schedule.ts'
import type { CommandedSchedules } from '../schedule/schedules.ts'
import { isAsPlanned, type Plan, type Planned, scheduleStore } from '../schedule/store.ts'
import { checkTables, type Json, schedulesIn, withEntryOptions } from './parts.ts'

const HELP = `
NEXT     the next run; one that is past begins as soon as a process is there
LAST     when the last run ended
RUNNING  where it runs now: the host, and the number of the process
NOTE     why the last run failed; or that the entry does not register it, so
         that this code never runs it
Times are UTC. It changes nothing.

Examples:
  $ npx corebus schedule list
  $ npx corebus schedule list --json | jq '.[] | select(.failed)'
${EXIT_HELP}`

export function listCommand(schedule: Command): void {
  withEntryOptions(schedule.command('list').description('when each runs next, and how it ran last'))
    .option('--json', 'as JSON')
    .addHelpText('after', HELP)
    .action(list)
}

async function list(options: Json): Promise<void> {
  const lines = await withEntry(options, ({ given }) => linesOf(schedulesIn(given)))
  await print(options.json ? JSON.stringify(lines) : lines.length === 0 ? 'no schedules' : linesTable(lines))
}

/** A schedule, as the code and the database know it. Times are in ISO 8601. */
interface Line {
  readonly name: string
  readonly cron: string
  readonly timeZone: string
  /** The name of the event that it publishes. Null for a function, and for what the code does not have. */
  readonly event: string | null
  readonly registered: boolean
  /** Null for what the code does not have. */
  readonly next: string | null
  readonly last: string | null
  /** Why the last run failed. */
  readonly failed: string | null
  readonly running: { readonly host: string | null; readonly pid: number | null; readonly until: string } | null
}

async function linesOf(schedules: CommandedSchedules): Promise<readonly Line[]> {
  const database = schedules.database()
  const store = scheduleStore(database.dialect, schedules.feature.name)
  await checkTables(schedules)
  const plan = await database.read((tx) => store.plan(tx))
  const registered = new Map(schedules.all().map((one) => [one.name, one]))
  const names = [...new Set([...registered.keys(), ...plan.planned.keys()])].toSorted()
  return names.flatMap((name) => lineOf(registered.get(name), plan.planned.get(name), plan) ?? [])
}

function lineOf(schedule: Schedule | undefined, planned: Planned | undefined, { now }: Plan): Line | undefined {
  const known = schedule ?? planned
  if (!known) return undefined
  const { name, cron, timeZone } = known
  return {
    name,
    cron,
    timeZone,
    event: schedule?.what.kind === 'event' ? schedule.what.type.name : null,
    registered: schedule !== undefined,
    next: schedule ? time(nextOf(schedule, planned, now)) : null,
    last: planned?.ran === undefined ? null : time(planned.ran),
    failed: planned?.failed === undefined ? null : redactText(planned.failed),
    running: planned && planned.expires > now ? runningOf(planned) : null,
  }
}

/** What is due is run first, and what has another expression than the database knows is planned anew. */
function nextOf(schedule: Schedule, planned: Planned | undefined, now: number): number {
  return planned && (planned.due <= now || isAsPlanned(schedule, planned)) ? planned.due : nextAfter(schedule, now)
}

function runningOf({ owner, expires }: Planned): Line['running'] {
  const { host = null, pid = null } = placeOf(owner) ?? {}
  return { host, pid, until: time(expires) }
}

const time = (ms: number): string => new Date(ms).toISOString()

const COLUMNS: readonly Column[] = [
  { title: 'NAME', shrinks: true },
  { title: 'CRON' },
  { title: 'ZONE' },
  { title: 'NEXT' },
  { title: 'LAST', gives: true },
  { title: 'RUNNING', shrinks: true, gives: true },
  { title: 'NOTE', shrinks: true, gives: true },
]

function linesTable(lines: readonly Line[]): string {
  const short = (text: string | null): string => text?.replace('T', ' ').replace(/\.\d+Z$/, '') ?? '-'
  const rows = lines.map(({ name, cron, timeZone, registered, next, last, failed, running }) => [
    name,
    cron,
    timeZone,
    short(next),
    short(last),
    running ? `${running.host ?? 'somewhere'} (${running.pid ?? '?'})` : '-',
    registered ? (failed === null ? '-' : `failed: ${failed.split('\n')[0]}`) : 'not in this code',
  ])
  return table(COLUMNS, rows)
}
