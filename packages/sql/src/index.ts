export type { SqlConnection, SqlDatabase, SqlSessions, Transacts } from './database/database.ts'
export type { DatabaseLike } from './database/for.ts'
export { ddl, type Feature, migrate, type Part } from './database/schema.ts'
export { type SqlInbox, type SqlInboxOptions, sqlInbox } from './inbox/inbox.ts'
export type { Holding } from './lease/holding.ts'
export { type LeaseOptions, type SqlLeases, type SqlLeasesOptions, sqlLeases, type Tried } from './lease/lease.ts'
export { type OutboxTopicOptions, type SqlOutbox, type SqlOutboxOptions, sqlOutbox } from './outbox/outbox.ts'
export {
  type OutboxEntry,
  type OutboxFilter,
  type OutboxPage,
  type OutboxPaging,
  type OutboxState,
  type OutboxStatus,
  type OutboxStore,
  outboxStore,
} from './outbox/store.ts'
export type { OnDead } from './relay/hold.ts'
export type { Kind, KindOf } from './repository/columns.ts'
export type { PageQuery } from './repository/page.ts'
export { type ColumnsOf, type SqlRepository, type SqlRepositoryOptions, sqlRepository } from './repository/repository.ts'
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
export { type BetterSqlite, betterSqliteSession } from './session/better-sqlite3.ts'
export { type DrizzleDb, type DrizzleSessionOptions, type DrizzleTx, drizzleSession } from './session/drizzle.ts'
export { type KnexDb, type KnexSessionOptions, knexSession } from './session/knex.ts'
export { type KyselyDb, type KyselySessionOptions, kyselySession } from './session/kysely.ts'
export { type MikroOrmDb, type MikroOrmSessionOptions, mikroOrmSession } from './session/mikro-orm.ts'
export { type MysqlSessionOptions, mysqlSession } from './session/mysql2.ts'
export type { Isolation, ServerSessionOptions, SessionOptions } from './session/options.ts'
export { type PgSessionOptions, type PgSessionPool, pgSession } from './session/pg.ts'
export { type PGliteDb, pgliteSession } from './session/pglite.ts'
export { type PostgresJs, type PostgresSessionOptions, postgresSession } from './session/postgres-js.ts'
export { type PrismaClient, type PrismaSessionOptions, prismaSession } from './session/prisma.ts'
export { type SessionKey, serialised } from './session/serialised.ts'
export { type SqliteSessionOptions, sqliteSession } from './session/sqlite.ts'
export { type TypeormSessionOptions, type TypeormSource, typeormSession } from './session/typeorm.ts'
export { type AdaptOptions, adapt } from './tx/adapt.ts'
export { isRetryable, isUniqueViolation, type Refusal, refusalOf } from './tx/database-errors.ts'
export { type Dialect, int64, type SqlResult, type SqlRow, type SqlTx, type SqlValue } from './tx/sql-tx.ts'
