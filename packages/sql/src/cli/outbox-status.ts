import { CorebusError } from '@corebus/core'
import { age, type Command, type Condition, collect, conditionOf, count, EXIT_HELP, print, table } from '@corebus/core/internal/cli'
import type { OutboxStatus } from '../outbox/store.ts'
import { type Json, withEntryOptions, withStore } from './parts.ts'

interface Options extends Json {
  readonly failIf: readonly string[]
}

const HELP = `
WAITING  due, and on its way as soon as a relay and the broker are there
DELAYED  its time has not come
ASIDE    refused by the broker and tried again, or behind such a one
HELD     behind a dead one of the same key (onDead: 'hold')
DEAD     refused for good: list --state dead says why
OLDEST   the age of the oldest that is due

--fail-if ends with exit code 1 when it is so: waiting, delayed, aside, held,
dead or oldest (seconds), compared by >, >=, <, <= or = with a number.

Examples:
  $ npx corebus outbox status
  $ npx corebus outbox status --json | jq .oldestMs
  $ npx corebus outbox status --fail-if 'oldest > 60s' --fail-if 'dead>0'
${EXIT_HELP}`

const UNITS = { waiting: '', delayed: '', aside: '', held: '', dead: '', oldest: 's' } as const
type Figure = keyof typeof UNITS

export function statusCommand(outbox: Command): void {
  withEntryOptions(outbox.command('status').description('what waits, and how long the oldest has'))
    .option('--json', 'as JSON')
    .option('--fail-if <condition>', "ends with 1 when it holds, as in 'oldest>60s' (repeatable)", collect, [])
    .addHelpText('after', HELP)
    .action(status)
}

async function status(options: Options): Promise<void> {
  const conditions = options.failIf.map((text) => ({ text, holds: conditionOf(text, UNITS) }))
  const { found, name, where } = await withStore(options, async (store, { database, feature }) => ({
    found: await store.status(),
    name: feature.name,
    where: database().where,
  }))
  await print(options.json ? JSON.stringify({ table: name, database: where, ...found }) : statusTable(found))
  judge(found, conditions)
}

function statusTable({ waiting, delayed, aside, held, dead, oldestMs }: OutboxStatus): string {
  const figures = { waiting, delayed, aside, held, dead }
  const columns = [...Object.keys(figures), 'oldest'].map((title) => ({ title: title.toUpperCase(), align: 'right' as const }))
  return table(columns, [[...Object.values(figures).map(count), oldestMs === 0 ? '-' : age(oldestMs)]])
}

function judge(
  { oldestMs, ...figures }: OutboxStatus,
  conditions: readonly { readonly text: string; readonly holds: Condition<Figure> }[],
): void {
  const broken = conditions.flatMap(({ text, holds }) => {
    const what = holds({ ...figures, oldest: oldestMs / 1_000 })
    return what === undefined ? [] : [`${what} (--fail-if '${text}')`]
  })
  if (broken.length > 0) throw new CorebusError('FAIL_IF', broken.join('\n'))
}
