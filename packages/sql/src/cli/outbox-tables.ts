import { CorebusError } from '@corebus/core'
import { type Command, EXIT_HELP, print, type WithEntry, withEntry } from '@corebus/core/internal/cli'
import type { SqlDatabase } from '../database/database.ts'
import { ddl, type Feature, migrate } from '../database/schema.ts'
import { inboxFeature } from '../inbox/table.ts'
import { leaseFeature } from '../lease/store.ts'
import { outboxFeature } from '../outbox/tables.ts'
import { scheduleFeature } from '../schedule/store.ts'
import type { Dialect } from '../tx/sql-tx.ts'
import { partsIn, told, withEntryOptions } from './parts.ts'

interface Options extends WithEntry {
  readonly leases?: true | string
}

const LEASES = 'leases'

/** What people call the databases. */
const DIALECTS: Readonly<Record<string, Dialect>> = {
  postgres: 'postgres',
  postgresql: 'postgres',
  mysql: 'mysql',
  mariadb: 'mysql',
  sqlite: 'sqlite',
}

const DDL_HELP = `
For migrations that another tool runs. Each statement may be run again. With
--dialect it prints the tables of all parts (outbox, inbox, leases, schedules)
under their default names, and loads nothing. Without it, those that the entry
has, under the names that it gives them, for its database.

Examples:
  $ npx corebus outbox ddl --dialect postgres > migrations/20261201_outbox.sql
  $ npx corebus outbox ddl --entry src/messaging.ts --leases
${EXIT_HELP}`

const MIGRATE_HELP = `
Makes the tables of the outbox, the inbox and the schedules that the entry has,
where they are missing. Safe to run at every deploy, by several at once. The
user of the database must be one who may make tables.

Examples:
  $ npx corebus outbox migrate
  $ npx corebus outbox migrate --entry src/messaging.ts --leases
${EXIT_HELP}`

export function ddlCommand(outbox: Command): void {
  located(outbox.command('ddl').description('print the statements that make the tables'))
    .option('--dialect <dialect>', 'postgres, mysql (mariadb) or sqlite: all parts, under their default names')
    .addHelpText('after', DDL_HELP)
    .action(printDdl)
}

export function migrateCommand(outbox: Command): void {
  located(outbox.command('migrate').description('make the tables that are missing')).addHelpText('after', MIGRATE_HELP).action(makeTables)
}

function located(command: Command): Command {
  return withEntryOptions(command).option('--leases [table]', `the table of sqlLeases too, ${LEASES}: no instance knows of it`)
}

async function printDdl({ dialect, ...options }: Options & { readonly dialect?: string }): Promise<void> {
  if (dialect === undefined)
    return print(script(await withEntry(options, async ({ given }) => statementsOf(placesOf(partsIn(given), options)))))
  const known = Object.hasOwn(DIALECTS, dialect) ? DIALECTS[dialect] : undefined
  if (!known) throw new CorebusError('USAGE', `--dialect ${dialect}: there are ${Object.keys(DIALECTS).join(', ')}`)
  if (options.entry !== undefined)
    throw new CorebusError('USAGE', '--dialect and --entry contradict each other: the entry says which database it has')
  const leases = typeof options.leases === 'string' ? options.leases : LEASES
  const features = [outboxFeature('outbox'), inboxFeature('processed_events'), leaseFeature(leases), scheduleFeature('schedules')]
  await print(script(ddl(known, features)))
}

async function makeTables(options: Options): Promise<void> {
  const places = await withEntry(options, async ({ given }) => {
    const found = placesOf(partsIn(given), options)
    for (const { database, features } of found) await told(database, () => migrate(database, features))
    return found
  })
  for (const { database, features } of places) await print(`${database.where} has ${features.map(({ name }) => name).join(', ')}`)
}

interface Place {
  readonly database: SqlDatabase
  readonly features: readonly Feature[]
}

/** The parts by their database: each may have one of its own. Leases are where the first of them is. */
function placesOf(parts: ReturnType<typeof partsIn>, { leases }: Options): readonly Place[] {
  const places = [...Map.groupBy(parts, (part) => part.database())].map(([database, some]) => ({
    database,
    features: some.map(({ feature }) => feature),
  }))
  const table = leases === true ? LEASES : leases
  return places.map((place, n) =>
    n === 0 && table !== undefined ? { ...place, features: [...place.features, leaseFeature(table)] } : place,
  )
}

function statementsOf(places: readonly Place[]): readonly string[] {
  return places.flatMap(({ database, features }) => [
    ...(places.length > 1 ? [`-- ${database.where}`] : []),
    ...ddl(database.dialect, features),
  ])
}

const script = (statements: readonly string[]): string =>
  statements.map((statement) => (statement.startsWith('--') ? statement : `${statement};`)).join('\n')
