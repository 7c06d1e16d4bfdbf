import { type Column, type Command, count, EXIT_HELP, print, table } from '@corebus/core/internal/cli'
import { withEntryOptions } from '@corebus/sql/internal/cli'
import { type ProjectionStatus, statusOf } from '../projection/status.ts'
import { checkTables, type Json, withName, withProjections } from './parts.ts'

const STATES = `
STATE    current     made by the code that is here
         stale       made by an earlier version of it: rebuild it
         rebuilding  a second set of collections is being filled
         empty       no event has come yet, or it was never rebuilt
         unknown     the code has it no more: projections drop removes it
It changes nothing.
`

export function listCommand(projections: Command): void {
  withEntryOptions(projections.command('list').description('which there are, and whether they are current'))
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `${STATES}
Examples:
  $ npx corebus projections list
  $ npx corebus projections list --json | jq '.[] | select(.state == "stale")'
${EXIT_HELP}`,
    )
    .action(list)
}

export function statusCommand(projections: Command): void {
  withEntryOptions(projections.command('status <name>').description('one of them: its documents, and how far its rebuild is'))
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `${STATES}
Examples:
  $ npx corebus projections status orders
  $ npx corebus projections status orders --json | jq .rebuild
${EXIT_HELP}`,
    )
    .action(status)
}

const COLUMNS: readonly Column[] = [
  { title: 'NAME', shrinks: true },
  { title: 'STATE' },
  { title: 'VERSION', align: 'right' },
  { title: 'DOCUMENTS', align: 'right' },
  { title: 'REBUILT', gives: true },
]

async function list(options: Json): Promise<void> {
  const all = await withProjections(options, async (found) => {
    for (const workings of found) await checkTables(workings)
    return (await Promise.all(found.map(statusOf))).flat()
  })
  await print(options.json ? JSON.stringify(all) : all.length === 0 ? 'no projections' : table(COLUMNS, all.map(rowOf)))
}

function rowOf(one: ProjectionStatus): readonly string[] {
  const documents = Object.values(one.documents).reduce((sum, n) => sum + n, 0)
  return [one.name, stateIn(one), versionIn(one), count(documents), timeIn(one.rebuiltAt)]
}

async function status(name: string, options: Json): Promise<void> {
  const found = await withProjections(options, async (all) => {
    const [, workings] = withName(all, name)
    await checkTables(workings)
    return (await statusOf(workings)).find((one) => one.name === name)
  })
  if (!found) return
  if (options.json) return print(JSON.stringify(found))
  const lines = [
    `${found.name}: ${stateIn(found)}, version ${versionIn(found)}, generation ${found.generation ?? '-'}, rebuilt ${timeIn(found.rebuiltAt)}`,
    ...Object.entries(found.documents).map(([collection, n]) => `  ${collection}: ${count(n)} documents`),
  ]
  await print(lines.join('\n'))
}

function stateIn({ state, rebuild }: ProjectionStatus): string {
  return rebuild ? `${state}, ${count(rebuild.done)} of ${count(rebuild.total)} events` : state
}

const versionIn = ({ version, builtVersion }: ProjectionStatus): string =>
  version === builtVersion || builtVersion === null ? String(version ?? '-') : `${builtVersion}, code has ${version ?? 'none'}`

const timeIn = (time: string | null): string => time?.replace('T', ' ').replace(/\.\d+Z$/, '') ?? 'never'
