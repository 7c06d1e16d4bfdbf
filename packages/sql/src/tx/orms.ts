import { calls, type LibraryTx, type LibraryValue, property, type Recogniser } from './recogniser.ts'
import { count, type Dialect, numbered, reads, type SqlRow } from './sql-tx.ts'

interface TypeormRunner {
  readonly isTransactionActive: boolean
  readonly isReleased: boolean
  readonly dataSource?: TypeormSource
  /** What `dataSource` was called before TypeORM 1. */
  readonly connection?: TypeormSource
  query(sql: string, params: readonly LibraryValue[], structured: true): Promise<{ records?: SqlRow[]; affected?: number }>
}
interface TypeormSource {
  readonly options: { readonly type: string }
}
interface TypeormManager {
  readonly queryRunner?: TypeormRunner
}

const isRunner = (given: object): given is TypeormRunner =>
  calls(given, 'query', 'startTransaction', 'release') && typeof property(given, 'isTransactionActive') === 'boolean'
const isManager = (given: object): given is TypeormManager => calls(given, 'getRepository', 'query', 'transaction')

export const TYPEORM_DIALECTS: Readonly<Record<string, Dialect>> = {
  postgres: 'postgres',
  cockroachdb: 'postgres',
  mysql: 'mysql',
  mariadb: 'mysql',
  'better-sqlite3': 'sqlite',
}

/** The EntityManager that TypeORM's `transaction` gives, or a QueryRunner. A DataSource and its own manager are in no transaction. */
export function typeorm(given: object): LibraryTx | undefined {
  if (isRunner(given)) return ofRunner(given)
  if (!isManager(given)) return undefined
  if (given.queryRunner) return ofRunner(given.queryRunner)
  return { dialect: undefined, state: () => 'autocommit', run: never }
}

function ofRunner(runner: TypeormRunner): LibraryTx {
  const { type } = (runner.dataSource ?? runner.connection)?.options ?? { type: '' }
  return {
    dialect: TYPEORM_DIALECTS[type],
    state: () => (runner.isReleased ? 'over' : runner.isTransactionActive ? 'open' : 'autocommit'),
    async run(sql, params, dialect) {
      const { records = [], affected } = await runner.query(dialect === 'postgres' ? numbered(sql) : sql, params, true)
      return reads(sql) ? { rows: records, affected: records.length } : { rows: [], affected: count(sql, affected) }
    },
  }
}

interface MikroOrmManager {
  isInTransaction(): boolean
  getTransactionContext(): unknown
}

const isMikroOrm = (given: object): given is MikroOrmManager => calls(given, 'isInTransaction', 'getTransactionContext')

/** The EntityManager of MikroORM in a transaction: what it stands for is a transaction of the library below it, which `others` know. */
export const mikroOrm =
  (others: Recogniser): Recogniser =>
  (given) => {
    if (!isMikroOrm(given)) return undefined
    const below = given.isInTransaction() ? given.getTransactionContext() : undefined
    const isSomething = (typeof below === 'object' && below !== null) || typeof below === 'function'
    return isSomething ? others(below) : { dialect: undefined, state: () => 'autocommit', run: never }
  }

interface PrismaTx {
  $queryRawUnsafe(sql: string, ...params: readonly LibraryValue[]): Promise<SqlRow[]>
  $executeRawUnsafe(sql: string, ...params: readonly LibraryValue[]): Promise<number>
}

const isPrisma = (given: object): given is PrismaTx => calls(given, '$queryRawUnsafe', '$executeRawUnsafe')

/** What Prisma's interactive `$transaction` gives. It does not say which database it is of. */
export function prisma(given: object): LibraryTx | undefined {
  if (!isPrisma(given)) return undefined
  const isRoot = calls(given, '$connect')
  return {
    dialect: undefined,
    state: () => (isRoot ? 'autocommit' : 'open'),
    async run(sql, params, dialect) {
      const text = dialect === 'postgres' ? numbered(sql) : sql
      if (!reads(sql)) return { rows: [], affected: await given.$executeRawUnsafe(text, ...params) }
      const rows = await given.$queryRawUnsafe(text, ...params)
      return { rows, affected: rows.length }
    },
  }
}

/** Nothing is run where no transaction is open. */
function never(): never {
  throw new Error('no transaction is open')
}
