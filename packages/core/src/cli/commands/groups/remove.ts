import type { Command } from 'commander'
import type { Admin } from '../../../driver.ts'
import { CorebusError } from '../../../errors.ts'
import { checkKnown } from '../../../operations/known.ts'
import { type Row, rowsOf } from '../../../operations/topic-rows.ts'
import { withBroker } from '../../broker.ts'
import { type Common, common } from '../../common.ts'
import { confirm } from '../../confirm.ts'
import { EXIT_HELP } from '../../exit.ts'
import { print } from '../../report.ts'

interface Options extends Common {
  readonly topic?: string
  readonly deadLetters?: true
  readonly yes?: true
  readonly json?: true
}

const HELP = `
For a group that is never started again, such as one that was renamed: its
position is forgotten, and what waits for it is gone, on every topic it reads or
on one. It must have no members. Its dead letters stay unless --dead-letters
says otherwise. One of that name that is started again begins like a new one.

Examples:
  $ npx corebus groups remove billing-old
  $ npx corebus groups remove billing --topic refunds --yes
  $ npx corebus groups remove billing-old --dead-letters --yes
${EXIT_HELP}`

export function removeCommand(groups: Command): void {
  common(groups.command('remove <group>').description('forget one, with what waits for it'))
    .option('--topic <topic>', 'only what it has of this topic')
    .option('--dead-letters', 'its dead letters too')
    .option('--yes', 'without being asked')
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(remove)
}

async function remove(group: string, options: Options): Promise<void> {
  const { topic: only, deadLetters = false, yes = false, json } = options
  const topics = await withBroker('groups', options, async ({ driver }) => {
    const { admin } = driver
    const rows = (await rowsOf(driver, only === undefined ? undefined : [only])).filter((row) => row.group === group)
    if (rows.length === 0) await checkKnown(admin, { group, ...(only !== undefined && { topic: only }) })
    refuseMembers(group, rows)
    await confirm(inWords(group, rows, deadLetters), { yes })
    for (const { topic } of rows) await removeFrom(admin, topic, group, deadLetters)
    return rows.map(({ topic }) => topic)
  })
  await print(json ? JSON.stringify({ group, topics }) : `${group} removed from ${topics.join(', ')}`)
}

async function removeFrom(admin: Admin, topic: string, group: string, deadLetters: boolean): Promise<void> {
  await admin.removeGroup(topic, group)
  if (deadLetters) await admin.purge({ topic, group })
}

/** As the broker counts them, or as they say of themselves: either may know of one that the other does not. */
function refuseMembers(group: string, rows: readonly Row[]): void {
  const read = rows.filter(({ members = 0, told = 0 }) => members > 0 || told > 0)
  if (read.length === 0) return
  const where = read.map(({ topic, members = 0, told = 0 }) => `${Math.max(members, told)} on topic ${topic}`).join(', ')
  const who = [...new Set(read.flatMap(({ versions = [] }) => versions))]
  const named = who.length === 0 ? '' : ` (${who.join(', ')})`
  throw new CorebusError('GROUP_HAS_MEMBERS', `group ${group} has members: ${where}${named}. Stop them first, and remove it then`)
}

export function inWords(group: string, rows: readonly Row[], deadLetters: boolean): string {
  const sum = (of: (row: Row) => number | undefined) => rows.reduce((total, row) => total + (of(row) ?? 0), 0)
  const waiting = sum(({ ready }) => ready) + sum(({ inFlight }) => inFlight)
  const isTold = rows.every(({ delayed }) => delayed !== undefined)
  const dead = sum((row) => row.dead)
  const delayed = isTold ? `${sum((row) => row.delayed)} that wait for their retry` : 'what waits for its retry'
  const these = `its ${dead} dead ${dead === 1 ? 'letter' : 'letters'}`
  const letters = deadLetters ? `, and ${these} with it` : `; ${these} ${dead === 1 ? 'stays' : 'stay'}`
  return `${waiting} ${waiting === 1 ? 'message' : 'messages'} that group ${group} has not handled on ${rows.map(({ topic }) => topic).join(', ')}, and ${delayed}, are lost to it${letters}`
}
