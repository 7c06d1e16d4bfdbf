export type { DatabaseLike } from './database/for.ts'
export { ddl, type Feature, migrate, type Part } from './database/schema.ts'
export { type SqlInbox, type SqlInboxOptions, sqlInbox } from './inbox/inbox.ts'
export type { Holding } from './lease/holding.ts'
export { type LeaseOptions, type SqlLeases, type SqlLeasesOptions, sqlLeases, type Tried } from './lease/lease.ts'
export {
  defineSchedule,
  type EventScheduleOptions,
  type Schedule,
  type ScheduledFunction,
  type ScheduleOptions,
  type ScheduleRun,
  schedule,
} from './schedule/schedule.ts'
export { type SqlSchedules, type SqlSchedulesOptions, sqlSchedules } from './schedule/schedules.ts'
export { type SessionKey, serialised } from './session/serialised.ts'
export { type SqliteSessionOptions, sqliteSession } from './session/sqlite.ts'
export { type AdaptOptions, adapt } from './tx/adapt.ts'
export { isRetryable, isUniqueViolation } from './tx/database-errors.ts'
export { type Dialect, int64, type SqlResult, type SqlRow, type SqlTx, type SqlValue } from './tx/sql-tx.ts'
