import type { Command } from 'commander'
import type { Admin, DeadLetterFilter } from '../../../driver.ts'
import { CorebusError } from '../../../errors.ts'
import { checkKnown } from '../../../operations/known.ts'
import { lettersElsewhere } from '../../../operations/letters-elsewhere.ts'
import { type Common, collect, common } from '../../common.ts'
import { say } from '../../report.ts'

/** What every command takes that chooses among dead letters. */
export interface Filtered extends Common {
  readonly topic?: string
  readonly group?: string
  readonly id: readonly string[]
}

export function filtered(command: Command): Command {
  return narrowed(command).option('--id <id>', 'with this id (repeatable)', collect, [])
}

export function narrowed(command: Command): Command {
  return common(command).option('--topic <topic>', 'of this topic').option('--group <group>', 'of this group')
}

export function filterOf({ topic, group, id }: Omit<Filtered, keyof Common>): DeadLetterFilter {
  return { ...(topic !== undefined && { topic }), ...(group !== undefined && { group }), ...(id.length > 0 && { ids: id }) }
}

/** The filter of a command that changes letters. @throws CorebusError USAGE without a filter and without --all, or with both; `what` says what would be done */
export function chosen(options: Filtered & { readonly all?: true }, what: string): DeadLetterFilter {
  const filter = filterOf(options)
  const hasFilter = Object.keys(filter).length > 0
  if (!hasFilter && !options.all)
    throw new CorebusError('USAGE', `which dead letters? Choose with --topic, --group or --id, or say --all to ${what} every one of them`)
  if (hasFilter && options.all)
    throw new CorebusError('USAGE', '--all and a filter (--topic, --group, --id) contradict each other: give one of them')
  return filter
}

/**
 * Whose letters are looked for elsewhere, a line each, where nothing was found.
 * @throws CorebusError when nothing was found because there is no such topic, group or letter
 */
export async function checkFound(admin: Admin, found: number, filter: DeadLetterFilter): Promise<readonly string[]> {
  if (found > 0) return []
  await checkKnown(admin, filter)
  const elsewhere = await lettersElsewhere(admin, filter)
  if (filter.ids)
    throw new CorebusError('NOT_FOUND', [`there is no dead letter with the id ${filter.ids.join(' or ')}`, ...elsewhere].join('; '))
  return elsewhere
}

/** What is printed where nothing was found. A program gets its JSON, and whoever runs it the lines. */
export function nothing(elsewhere: readonly string[], text: string, json?: string): string {
  if (json === undefined) return elsewhere.length > 0 ? elsewhere.join('\n') : text
  for (const line of elsewhere) say(line)
  return json
}
