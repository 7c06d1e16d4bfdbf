import { CorebusError } from '@corebus/core'
import { type Command, common, type Given, messageOf, type WithEntry, withEntry } from '@corebus/core/internal/cli'
import { type Commanded, commandedBy } from '../database/commanded.ts'
import type { SqlDatabase } from '../database/database.ts'
import { checkSchema } from '../database/schema.ts'
import type { CommandedOutbox } from '../outbox/outbox.ts'
import { type OutboxStore, outboxStore } from '../outbox/store.ts'
import type { CommandedSchedules } from '../schedule/schedules.ts'

/** A command that loads the user's entry. */
export function withEntryOptions(command: Command): Command {
  return common(command)
    .option('--entry <file>', 'the file that configures messaging, instead of the one that npx corebus consumer takes')
    .option('--tsconfig <file>', 'for TypeScript: instead of the nearest tsconfig.json above the entry')
}

export interface Json extends WithEntry {
  readonly json?: true
}

/** The outbox of the instance. @throws CorebusError USAGE where it has none of ours */
export function outboxIn({ outbox }: Given): CommandedOutbox {
  return partIn<CommandedOutbox>(outbox, 'outbox', 'sqlOutbox()')
}

/** Works with the outbox of the instance, by hand. @throws CorebusError USAGE where it has none of ours, SCHEMA where its tables are missing */
export function withStore<T>(options: WithEntry, work: (store: OutboxStore, outbox: CommandedOutbox) => Promise<T>): Promise<T> {
  return withEntry(options, async ({ given }) => {
    const outbox = outboxIn(given)
    await checkTables(outbox)
    return work(outboxStore(outbox.database(), outbox.feature.name), outbox)
  })
}

/** @throws CorebusError SCHEMA */
export function checkTables({ database: databaseOf, feature }: Commanded): Promise<void> {
  const database = databaseOf()
  return told(database, () => database.read((tx) => checkSchema(tx, database.where, feature)))
}

/** Says which database it was that could not be used: the first that a command does with it is done here. */
export async function told<T>({ where }: Pick<SqlDatabase, 'where'>, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    if (thrown instanceof CorebusError) throw thrown
    throw new Error(`${where} cannot be used: ${messageOf(thrown)}`, { cause: thrown })
  }
}

/** @throws CorebusError USAGE where the instance has none of ours */
export function schedulesIn({ schedules }: Given): CommandedSchedules {
  return partIn<CommandedSchedules>(schedules, 'schedules', 'sqlSchedules()')
}

/** All that is of this package. @throws CorebusError USAGE where nothing is */
export function partsIn({ outbox, inbox, schedules }: Given): readonly Commanded[] {
  const found = [outbox, inbox, schedules].flatMap((one) => commandedBy(one) ?? [])
  if (found.length > 0) return found
  throw new CorebusError(
    'USAGE',
    'the default instance of the entry has neither outbox nor inbox nor schedules of @corebus/sql: give them to configureMessaging, or name another file with --entry',
  )
}

function partIn<C extends Commanded>(given: object | undefined, option: string, maker: string): C {
  const found = commandedBy<C>(given)
  if (found) return found
  const what = given === undefined ? `has no ${option}` : `has ${option} that are none of @corebus/sql`
  throw new CorebusError(
    'USAGE',
    `the default instance of the entry ${what}: say configureMessaging({ ${option}: ${maker} }) there, or name another file with --entry`,
  )
}
