import 'reflect-metadata'
import { EntitySchema, MikroORM, type Options } from '@mikro-orm/core'
import { MySqlDriver } from '@mikro-orm/mysql'
import { PostgreSqlDriver } from '@mikro-orm/postgresql'
import { NodeSqliteDialect, SqliteDriver } from '@mikro-orm/sql'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import { PrismaPg } from '@prisma/adapter-pg'
import { DataSource, type DataSourceOptions, EntitySchema as TypeormSchema } from 'typeorm'
import type { Case, DatabaseName, Library } from './case.ts'
import { prismaClient } from './prisma-client.ts'

type Servers = Exclude<DatabaseName, 'PGlite'>

const TypeormOrder = new TypeormSchema<{ id: number }>({ name: 'orders', columns: { id: { type: 'integer', primary: true } } })

const TYPEORM: Readonly<Record<Servers, (at: string) => DataSourceOptions>> = {
  SQLite: (database) => ({ type: 'better-sqlite3', database, entities: [TypeormOrder] }),
  PostgreSQL: (url) => ({ type: 'postgres', url, entities: [TypeormOrder] }),
  MariaDB: (url) => ({ type: 'mysql', url, entities: [TypeormOrder] }),
}

async function ofTypeorm(options: DataSourceOptions): Promise<Library> {
  const source = await new DataSource(options).initialize()
  return {
    transaction: (work) => source.transaction((tx) => work({ tx, insertOrder: (id) => tx.insert(TypeormOrder, { id }) })),
    roots: { dataSource: source, manager: source.manager, queryRunner: source.createQueryRunner() },
    close: () => source.destroy(),
  }
}

const queryRunner: Case = {
  library: 'TypeORM, QueryRunner',
  database: 'PostgreSQL',
  async open(url) {
    const source = await new DataSource(TYPEORM.PostgreSQL(url)).initialize()
    return {
      async transaction(work) {
        const runner = source.createQueryRunner()
        await runner.startTransaction()
        try {
          await work({ tx: runner, insertOrder: (id) => runner.manager.insert(TypeormOrder, { id }) })
          await runner.commitTransaction()
        } catch (thrown) {
          await runner.rollbackTransaction()
          throw thrown
        } finally {
          await runner.release()
        }
      },
      roots: {},
      close: () => source.destroy(),
    }
  },
}

const MikroOrder = new EntitySchema<{ id: number }>({ name: 'orders', properties: { id: { type: 'number', primary: true } } })

const MIKRO_ORM: Readonly<Record<Servers, (at: string) => object>> = {
  SQLite: (dbName) => ({ driver: SqliteDriver, dbName, driverOptions: new NodeSqliteDialect(dbName) }),
  PostgreSQL: (clientUrl) => ({ driver: PostgreSqlDriver, clientUrl }),
  MariaDB: (clientUrl) => ({ driver: MySqlDriver, clientUrl }),
}

async function ofMikroOrm(options: object): Promise<Library> {
  const orm = await MikroORM.init({ ...options, entities: [MikroOrder] } as Options) // each driver has options of its own type
  return {
    async transaction(work) {
      await orm.em.fork().transactional((tx) => work({ tx, insertOrder: (id) => tx.persist(tx.create(MikroOrder, { id })) }))
    },
    roots: { em: orm.em.fork() },
    close: () => orm.close(),
  }
}

const PRISMA: Readonly<Record<Servers, (at: string) => Library>> = {
  SQLite: (file) => ofPrisma(prismaClient('sqlite'), new PrismaBetterSqlite3({ url: `file:${file}` }), 'sqlite'),
  PostgreSQL: (url) => ofPrisma(prismaClient('postgresql'), new PrismaPg({ connectionString: url }), 'postgres'),
  MariaDB: (url) => ofPrisma(prismaClient('mysql'), new PrismaMariaDb(url.replace('mysql:', 'mariadb:')), 'mysql'),
}

function ofPrisma(Client: ReturnType<typeof prismaClient>, adapter: object, dialect: 'postgres' | 'mysql' | 'sqlite'): Library {
  const prisma = new Client({ adapter })
  return {
    transaction: (work) => prisma.$transaction((tx) => work({ tx, insertOrder: (id) => tx.orders.create({ data: { id } }) })),
    roots: { prisma },
    options: { dialect },
    close: () => prisma.$disconnect(),
  }
}

const each = <T>(library: string, of: Readonly<Record<Servers, T>>, open: (made: T, at: string) => Library | Promise<Library>): Case[] =>
  Object.entries(of).map(([database, made]) => ({ library, database: database as Servers, open: async (at) => open(made, at) }))

export const ORMS: readonly Case[] = [
  ...each('TypeORM', TYPEORM, (options, at) => ofTypeorm(options(at))),
  queryRunner,
  ...each('MikroORM', MIKRO_ORM, (options, at) => ofMikroOrm(options(at))).map((one) => ({ ...one, sqlite: 'node:sqlite' as const })),
  ...each('Prisma', PRISMA, (open, at) => open(at)),
]
