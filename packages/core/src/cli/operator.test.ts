import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeProject, type Project, type Result } from '../../test/project.ts'

const HANDLERS = `
import { handle } from '@corebus/core'
handle({ topic: 'payments', group: 'billing', decode: 'text' }, (text, { id }) => {
  console.log('paid', id, text)
})
`

/** Before it stands which broker is used. */
const said = ({ stderr }: Result): string | undefined => stderr.trimEnd().split('\n').at(-1)

/** Publishes as many as it is told, and ends when the group has given up on all of them. */
const GIVING_UP = `
import { createMessaging } from '@corebus/core'
const count = Number(process.argv[2])
const dead = []
const all = Promise.withResolvers()
const messaging = createMessaging({ onDeadLetter: ({ id }) => dead.push(id) === count && all.resolve() })
messaging.handle({ topic: 'payments', group: 'billing', decode: 'text', maxRetries: 0 }, () => {
  throw Object.assign(new Error('card declined'), { code: 'ECARD' })
})
await messaging.start()
for (let n = 1; n <= count; n++) await messaging.getProducer().send('payments', n, { id: 'pay-' + n })
await all.promise
await messaging.close()
`

/** A project whose group billing has given up on pay-1, pay-2 and so on, and has no member any more. */
async function withDead(count: number): Promise<{ project: Project; ids: readonly string[] }> {
  const project = makeProject({ 'handlers.js': HANDLERS, 'giving-up.js': GIVING_UP })
  expect(await project.node(['giving-up.js', String(count)])).toMatchObject({ code: 0 })
  return { project, ids: Array.from({ length: count }, (_, n) => `pay-${n + 1}`) }
}

test('letters are listed and shown, and a mistyped topic or group is said', async () => {
  const { project, ids } = await withDead(3)
  await project.core(['publish', 'alone', '1'])
  const [typo, elsewhere, nobody, quiet, two, shown, missing] = await Promise.all([
    project.core(['dlq', 'list', '--topic', 'paymnets']),
    project.core(['dlq', 'list', '--topic', 'alone', '--group', 'billing']),
    project.core(['dlq', 'list', '--group', 'biling']),
    project.core(['dlq', 'list', '--topic', 'alone']),
    project.core(['dlq', 'list', '--limit', '2']),
    project.core(['dlq', 'show', ids[0] as string]),
    project.core(['dlq', 'show', 'ghost', '--topic', 'payments']),
  ])
  expect([typo.code, said(typo)]).toEqual([2, 'error: no such topic: paymnets; did you mean payments?'])
  expect([elsewhere.code, said(elsewhere)]).toEqual([2, 'error: group billing does not read topic alone; it reads payments'])
  expect([nobody.code, said(nobody)]).toEqual([2, 'error: no such group: biling; did you mean billing?'])
  expect([quiet.code, quiet.stdout]).toEqual([0, 'no dead letters\n'])
  const [last = '', ...behind] = two.stdout.split('\n').slice(5)
  expect(last).toMatch(/^and 1 more: go on with --after \S+$/)
  expect(behind).toEqual([''])
  for (const part of [`id           ${ids[0]}`, 'group        billing', 'card declined', '  1']) expect(shown.stdout).toContain(part)
  expect([missing.code, said(missing)]).toEqual([1, 'error: there is no dead letter with the id ghost'])
})

test('a list with a limit says how to go on, and going on shows the others', async () => {
  const { project, ids } = await withDead(5)
  const page = async (...options: readonly string[]) => {
    const { stdout } = await project.core(['dlq', 'list', '--topic', 'payments', '--json', ...options])
    const { letters, next }: { letters: readonly { id: string }[]; next?: string } = JSON.parse(stdout)
    return { ids: letters.map(({ id }) => id), next }
  }
  const first = await page('--limit', '2')
  expect(first).toEqual({ ids: ids.slice(0, 2), next: expect.any(String) })
  const after = ['--after', first.next ?? '']
  const [second, rest, all, table, wrong] = await Promise.all([
    page('--limit', '2', ...after),
    page(...after),
    page(),
    project.core(['dlq', 'list', ...after, '--limit', '1']),
    project.core(['dlq', 'list', '--after', 'nonsense']),
  ])
  expect(second).toEqual({ ids: ids.slice(2, 4), next: expect.any(String) })
  expect([rest, all]).toEqual([
    { ids: ids.slice(2), next: undefined },
    { ids, next: undefined },
  ])
  expect(table.stdout).toMatch(new RegExp(`^ID[^]*${ids[2]}[^]*\\nand more: go on with --after \\S+\\n$`))
  expect([wrong.code, said(wrong)]).toEqual([
    2,
    'error: dead letters cannot be listed after "nonsense": it is no cursor. Take what came with the page before',
  ])
})

test('letters are exported to a file of its own, and purged when somebody has said so', async () => {
  const { project, ids } = await withDead(2)
  const file = join(project.folder, 'letters.jsonl')
  const out = await project.core(['dlq', 'export', '--out', file])
  expect([out.code, out.stdout, said(out)]).toEqual([0, '', `2 exported to ${file}`])
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const [again, piped] = await Promise.all([
    project.core(['dlq', 'export', '--out', file]),
    project.core(['dlq', 'export', '--id', ids[0] as string]),
  ])
  expect([again.code, said(again)]).toEqual([2, `error: --out ${file} cannot be written: it is there already, name another`])
  expect(JSON.parse(piped.stdout)).toMatchObject({
    format: 1,
    id: ids[0],
    topic: 'payments',
    group: 'billing',
    bodyText: '1',
    headers: { 'corebus-error': 'card declined', 'corebus-error-code': 'ECARD' },
  })

  const [unasked, unchosen, typo] = await Promise.all([
    project.core(['dlq', 'purge', '--topic', 'payments']),
    project.core(['dlq', 'purge']),
    project.core(['dlq', 'purge', '--topic', 'payment', '--yes']),
  ])
  expect([unasked.code, said(unasked)]).toEqual([2, 'error: 2 dead letters would be deleted for good. Say --yes to do it'])
  expect([unchosen.code, typo.code, said(typo)]).toEqual([2, 2, 'error: no such topic: payment; did you mean payments?'])
  const purged = await project.core(['dlq', 'purge', '--topic', 'payments', '--yes', '--json'])
  expect([purged.code, purged.stdout]).toEqual([0, '{"purged":2}\n'])
  expect((await project.core(['dlq', 'list'])).stdout).toBe('no dead letters\n')
})

test('exported letters are put back with their ids, all of them or none, and handled then', async () => {
  const { project, ids } = await withDead(2)
  const { stdout: text } = await project.core(['dlq', 'export'])
  const file = join(project.folder, 'letters.jsonl')
  project.write({ 'letters.jsonl': text })
  await project.core(['dlq', 'purge', '--all', '--yes'])
  const [foreign, broken] = await Promise.all([
    project.core(['dlq', 'import', '-'], { input: text.replace('"group":"billing"', '"group":"nobody"') }),
    project.core(['dlq', 'import', '-'], { input: `${text}{"format":2}\n` }),
  ])
  expect([foreign.code, said(foreign)]).toEqual([
    2,
    'error: there is no group nobody on topic payments here that could have dead letters: start its service once, and do it again then',
  ])
  expect(said(broken)).toBe('error: line 3 is no dead letter that was exported: its format is 2, and this version reads 1')
  expect((await project.core(['dlq', 'list'])).stdout).toBe('no dead letters\n')

  const back = await project.core(['dlq', 'import', file])
  expect([back.code, back.stdout]).toEqual([0, '2 imported\n'])
  const shown = await project.core(['dlq', 'show', ids[1] as string])
  for (const part of ['group        billing', 'code         ECARD', 'card declined', 'body, 1 byte\n']) expect(shown.stdout).toContain(part)
  await project.core(['dlq', 'retry', '--all'])
  const working = project.start(['consumer', 'handlers.js'])
  await working.says(/(paid [\s\S]*){2}/)
  await working.stop()
  for (const [n, id] of ids.entries()) expect(working.stdout).toContain(`paid ${id} ${n + 1}`)
})

test.skipIf(process.platform === 'win32')(
  'letters are put back from what can be read once: a fifo, and what a shell makes of another command',
  async () => {
    const { project } = await withDead(2)
    await project.core(['dlq', 'export', '--out', 'letters.jsonl'])
    await project.core(['dlq', 'purge', '--all', '--yes'])
    const core = `"${process.execPath}" node_modules/@corebus/core/bin/core.js dlq import`
    const inShell = (line: string) => project.node(['-c', line], { node: 'bash' })
    for (const line of [
      `${core} <(cat letters.jsonl)`,
      `mkfifo fifo; cat letters.jsonl > fifo & ${core} fifo`,
      `cat letters.jsonl | ${core} /dev/stdin`,
      `${core} /dev/stdin < letters.jsonl`,
    ])
      expect(await inShell(line)).toMatchObject({ code: 0, stdout: '2 imported\n' })
    expect(JSON.parse((await project.core(['dlq', 'list', '--json'])).stdout).letters).toHaveLength(8)
  },
)

test('an export without letters is an empty file, and never one that was there', async () => {
  const { project } = await withDead(1)
  await project.core(['dlq', 'purge', '--all', '--yes'])
  const file = join(project.folder, 'letters.jsonl')
  const first = await project.core(['dlq', 'export', '--out', file])
  expect([first.code, said(first), statSync(file).size]).toEqual([0, 'no dead letters', 0])
  const again = await project.core(['dlq', 'export', '--out', file])
  expect([again.code, said(again)]).toEqual([2, `error: --out ${file} cannot be written: it is there already, name another`])
  const typo = await project.core(['dlq', 'export', '--topic', 'paymnets', '--out', `${file}.2`])
  expect([typo.code, existsSync(`${file}.2`), existsSync(`${file}.2.part`)]).toEqual([2, false, false])
})

test('a group is removed with what waits for it once it has no members, and its letters when that is said', async () => {
  const { project } = await withDead(1)
  const idle = project.start(['consumer', 'handlers.js'])
  await idle.says(/ready|consuming|started/)
  const member = await project.core(['groups', 'remove', 'billing', '--yes'])
  expect(member.code).toBe(2)
  expect(said(member)).toMatch(/^error: group billing has members: 1 on topic payments \(shop.*\)\. Stop them first/)
  await idle.stop()
  await project.core(['publish', 'payments', '2'])
  await project.core(['publish', 'audit', '1'])

  const [list, typo, elsewhere, unasked] = await Promise.all([
    project.core(['groups', 'list']),
    project.core(['groups', 'remove', 'biling']),
    project.core(['groups', 'remove', 'billing', '--topic', 'audit']),
    project.core(['groups', 'remove', 'billing']),
  ])
  expect(list.stdout).toBe('GROUP    TOPIC     WAITING  DEAD  MEMBERS\nbilling  payments        1     1        0\n')
  expect([typo.code, said(typo)]).toEqual([2, 'error: no such group: biling; did you mean billing?'])
  expect([elsewhere.code, said(elsewhere)]).toEqual([2, 'error: group billing does not read topic audit; it reads payments'])
  expect([unasked.code, said(unasked)]).toEqual([
    2,
    'error: 1 message that group billing has not handled on payments, and 0 that wait for their retry, are lost to it; its 1 dead letter stays. Say --yes to do it',
  ])
  const removed = await project.core(['groups', 'remove', 'billing', '--yes'])
  expect([removed.code, removed.stdout]).toEqual([0, 'billing removed from payments\n'])
  const [none, dead] = await Promise.all([project.core(['groups', 'list']), project.core(['dlq', 'list', '--group', 'billing'])])
  expect([none.stdout, dead.stdout.split('\n').length]).toEqual(['no groups yet\n', 4])
})

test('with --dead-letters those of the removed group are gone too', async () => {
  const { project } = await withDead(1)
  expect((await project.core(['groups', 'remove', 'billing', '--dead-letters', '--yes', '--json'])).stdout).toBe(
    '{"group":"billing","topics":["payments"]}\n',
  )
  expect((await project.core(['dlq', 'list'])).stdout).toBe('no dead letters\n')
})

test('topics are made once, and what is there already is said', async () => {
  const project = makeProject({})
  const first = await project.core(['topics', 'create', 'orders', 'clicks', '--partitions', '3'])
  expect([first.code, first.stdout]).toEqual([0, 'orders made\nclicks made\n'])
  expect(first.stderr).toContain('topology.partitions and topology.topics do nothing with the sqlite broker')
  const second = await project.core(['topics', 'create', 'orders', 'refunds', '--json'])
  expect(JSON.parse(second.stdout)).toEqual([
    { topic: 'orders', made: false },
    { topic: 'refunds', made: true },
  ])
  const wrong = await project.core(['topics', 'create', 'a b'])
  expect([wrong.code, existsSync(join(project.folder, '.core'))]).toEqual([2, true])
  expect(JSON.parse((await project.core(['topics', '--json'])).stdout)).toMatchObject([
    { topic: 'clicks' },
    { topic: 'orders' },
    { topic: 'refunds' },
  ])
})

test('a topic is looked at alone, and its messages that are out or wait for their retry one by one', async () => {
  const project = makeProject({
    'handlers.js': `
import { handle } from '@corebus/core'
handle({ topic: 'payments', group: 'billing', decode: 'text', maxRetries: 1, retryDelayMs: 600_000 }, async (text) => {
  if (text === '1') throw new Error('later')
  console.log('has ' + text)
  await new Promise(() => {})
})
`,
  })
  const idOf = ({ stdout }: Result) => stdout.split(' ')[0] as string
  const later = idOf(await project.core(['publish', 'payments', '1']))
  const busy = project.start(['consumer', 'handlers.js'])
  await busy.says(/retry 1\/1/)
  const out = idOf(await project.core(['publish', 'payments', '2']))
  await busy.says(/has 2/)
  await project.core(['publish', 'audit', '1'])
  const [one, listed, json, which, typo] = await Promise.all([
    project.core(['topics', '--topic', 'payments', '--json']),
    project.core(['topics', '--topic', 'payments', '--messages']),
    project.core(['topics', '--topic', 'payments', '--messages', '--json']),
    project.core(['topics', '--messages']),
    project.core(['topics', '--topic', 'payment']),
  ])
  expect(JSON.parse(one.stdout)).toMatchObject([{ topic: 'payments', group: 'billing', inFlight: 1, delayed: 1 }])
  const [head, ...lines] = listed.stdout.trimEnd().split('\n')
  expect(head).toMatch(/^ID +TOPIC +GROUP +STATE +PUBLISHED +OUT FOR +DUE IN$/)
  expect(lines[0]).toMatch(new RegExp(`^${out} +payments +billing +in flight +\\d+ m?s +- +-$`))
  expect(lines[1]).toMatch(new RegExp(`^${later} +payments +billing +delayed +\\d+ m?s +- +10 min$`))
  expect(JSON.parse(json.stdout)).toMatchObject([
    { id: out, topic: 'payments', group: 'billing', state: 'in flight', publishedAt: expect.any(Number) },
    { id: later, state: 'delayed', dueAt: expect.any(Number) },
  ])
  expect([which.code, said(which)]).toEqual([2, 'error: messages of which topic? Say it with --topic'])
  expect([typo.code, said(typo)]).toEqual([2, 'error: no such topic: payment; did you mean payments?'])
  busy.signal('SIGKILL')
  await busy.end
})
