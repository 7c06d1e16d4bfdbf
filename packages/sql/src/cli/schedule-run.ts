import { CorebusError } from '@corebus/core'
import { type Command, EXIT_HELP, onSignals, print, redactText, say, type WithEntry, withEntry } from '@corebus/core/internal/cli'
import type { Schedule } from '../schedule/schedule.ts'
import type { CommandedSchedules } from '../schedule/schedules.ts'
import { checkTables, schedulesIn, withEntryOptions } from './parts.ts'

const HELP = `
Runs it in this process, now, under its lease: while it runs somewhere else this
is an error. A missed run is made up for by it, and the next one is planned from
now on. The event of a schedule is written into the outbox, for a relay.

SIGTERM and Ctrl-C abort the function. A second signal exits at once: then
another process runs it again, when the lease has ended.

Examples:
  $ npx corebus schedule run nightly-report
  $ npx corebus schedule run month-end --entry src/jobs.ts
${EXIT_HELP}`

export function runCommand(schedule: Command): void {
  withEntryOptions(schedule.command('run <name>').description('run one now, whenever it is due')).addHelpText('after', HELP).action(run)
}

async function run(name: string, options: WithEntry): Promise<void> {
  const startedAt = performance.now()
  const { what, ran } = await withEntry(
    options,
    async ({ given }) => {
      const schedules = schedulesIn(given)
      const one = named(name, schedules)
      await checkTables(schedules)
      const stopping = new AbortController()
      onSignals((why) => {
        say(`${why}: the function is told to stop. A second signal exits at once`)
        stopping.abort(new Error(`${why} has stopped it`))
      })
      return { what: one.what, ran: await schedules.run(one, stopping.signal) }
    },
    // What the function logs is what somebody who runs it by hand wants to see.
    { logs: true },
  )
  if (ran.kind === 'failed') throw failure(name, ran.error)
  if (ran.kind === 'interrupted')
    throw new CorebusError('SCHEDULE_FAILED', `schedule ${name} did not come to its end: another process makes up for it`)
  if (ran.kind === 'elsewhere') return print(`${name} runs in another process, which was a moment earlier`)
  const took = `${Math.round(performance.now() - startedAt)} ms`
  await print(what.kind === 'event' ? `${name}: ${what.type.name} is in the outbox` : `${name} has run, in ${took}`)
}

function named(name: string, schedules: CommandedSchedules): Schedule {
  const all = schedules.all()
  const found = all.find((one) => one.name === name)
  if (found) return found
  const there = all.length === 0 ? 'it registers none' : `there are ${all.map((one) => one.name).join(', ')}`
  throw new CorebusError('USAGE', `the entry registers no schedule ${name}; ${there}`)
}

function failure(name: string, error: unknown): CorebusError {
  return new CorebusError(
    'SCHEDULE_FAILED',
    `schedule ${name} has failed: ${redactText(error instanceof Error ? error.message : String(error))}`,
    {
      cause: error,
    },
  )
}
