import { testNow } from '@corebus/core/internal'
import type { Dialect } from './sql-tx.ts'

/** The database's clock, in ms since the epoch. Every comparison with time is made with it: the clocks of processes differ. */
export const NOW: Readonly<Record<Dialect, string>> = {
  // SYSDATE is the time of now and not of the statement's begin, and there is none in UTC: in a time zone whose clock is put back, an hour of it comes twice.
  postgres: 'CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)',
  mysql: "((TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) + TIMESTAMPDIFF(MICROSECOND, NOW(3), SYSDATE(3))) DIV 1000)",
  sqlite: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
}

/** A statement as it is run: under the test kit it is the time of the app under test, for whatever a statement compares with now. */
export function timed(sql: string, dialect: Dialect): string {
  const now = testNow()
  return now === undefined ? sql : sql.replaceAll(NOW[dialect], String(Math.floor(now)))
}
