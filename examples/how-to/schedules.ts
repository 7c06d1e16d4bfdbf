import type { DatabaseSync } from 'node:sqlite'
import { configureMessaging, defineEvent, type Messaging, type Outbox } from '@corebus/core'
import { migrate, type SqlLeases, schedule, sqliteSession, sqlLeases, sqlSchedules } from '@corebus/sql'
import { z } from 'zod'

export const MonthEnded = defineEvent('month.ended', z.object({ year: z.number(), month: z.number() }), { topic: 'calendar' })

/** What a report needs of its store. */
export interface Reports {
  write(name: string, options: { readonly day: Date; readonly fence: number; readonly signal: AbortSignal }): Promise<void>
}

export function register(reports: Reports): void {
  // #region function
  schedule(
    'nightly-report',
    '0 3 * * *',
    async ({ due, fence, signal }) => {
      await reports.write('nightly', { day: due, fence, signal })
    },
    { timeZone: 'Europe/Berlin' },
  )
  // #endregion function
}

export function registerEvent(): void {
  // #region event
  schedule('month-end', '0 0 1 * *', MonthEnded, {
    // `due` is the first moment of the next month.
    data: ({ due }) => {
      const ended = new Date(due.getTime() - 1)
      return { year: ended.getUTCFullYear(), month: ended.getUTCMonth() + 1 }
    },
  })
  // #endregion event
}

export async function configured(database: DatabaseSync, outbox: Outbox): Promise<Messaging> {
  // #region configured
  const session = sqliteSession(database)
  const schedules = sqlSchedules()
  await migrate(session, [schedules]) // makes the table `schedules` where it is missing
  return configureMessaging({ broker: 'memory', service: 'reports', session, outbox, schedules })
  // #endregion configured
}

export async function leasesOver(
  database: DatabaseSync,
  rebuild: (options: { fence: number; signal: AbortSignal }) => Promise<void>,
): Promise<SqlLeases> {
  const session = sqliteSession(database)
  // #region lease
  const leases = sqlLeases({ database: session })
  await migrate(session, [leases])
  await leases.lease('search-index', { ttlMs: 30_000 }, async ({ fence, signal }) => {
    await rebuild({ fence, signal })
  })
  const tried = await leases.tryLease('search-index', {}, async ({ fence, signal }) => rebuild({ fence, signal }))
  if (!tried.held) console.log('another process rebuilds it')
  // #endregion lease
  return leases
}
