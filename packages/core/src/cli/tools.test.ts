import { describe, expect, test } from 'vitest'
import { makeProject } from '../../test/project.ts'

const FAILING = `
import { defineEvent, on } from '@corebus/core'
import { z } from 'zod'
const Paid = defineEvent('payment.completed', z.object({ id: z.number() }), { topic: 'payments' })
on(Paid, { group: 'billing', maxRetries: 0 }, ({ data }) => {
  if (process.env.WORKS) return console.log('paid', data.id)
  throw new Error('card declined')
})
`
/** Before it stands which broker is used. */
const said = ({ stderr }: { readonly stderr: string }) => stderr.trimEnd().split('\n').at(-1)
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/

describe('core publish', () => {
  test('prints id and topic, and publishes bytes, key and event as they were given', async () => {
    const source = `
import { handle } from '@corebus/core'
handle({ topic: 't', group: 'g', decode: 'text' }, (text, { id, key, headers, topic }) => {
  console.log('got ' + JSON.stringify({ id, topic, key: key ?? null, type: headers['content-type'] ?? null, text }))
})
`
    const project = makeProject({ 'handlers.js': source })
    const big = await project.core(['publish', 't', '{"n": 12345678901234567890}', '--key', '7'])
    const piped = await project.core(['publish', 't', '-'], { input: ' "ölig"\n' })
    const event = await project.core(['publish', 't', '{"id":1}', '--event', 'user.created', '--key', 'k'])
    const bare = await project.core(['publish', 't', '--event', 'ping'])
    for (const { code, stdout } of [big, piped, event, bare]) {
      expect(code).toBe(0)
      expect(stdout).toMatch(new RegExp(`${ID.source} t\n$`))
    }
    const consumer = project.start(['consumer', 'handlers.js'])
    await consumer.says(/(^got [\s\S]*){4}/m)
    await consumer.stop()
    const got = [...consumer.stdout.matchAll(/^got (.*)$/gm)].map(([, json]) => JSON.parse(json as string) as { id: string; text: string })
    const json = 'application/json'
    expect(got.map(({ id }) => `${id} t\n`).sort()).toEqual([big, piped, event, bare].map(({ stdout }) => stdout).sort())
    const byText = (part: string) => got.find(({ text }) => text.includes(part))
    expect(byText('123')).toMatchObject({ key: '7', type: json, text: '{"n": 12345678901234567890}' })
    expect(byText('ölig')).toMatchObject({ key: null, type: json, text: '"ölig"' })
    expect(JSON.parse(byText('user.created')?.text ?? '')).toEqual({
      name: 'user.created',
      data: { id: 1 },
      timestamp: expect.any(String),
      source: 'shop',
    })
    expect(JSON.parse(byText('ping')?.text ?? '')).toMatchObject({ name: 'ping', data: {} })
  })

  test('publishes to an exchange of others, which on the embedded broker is the log of the topic', async () => {
    const project = makeProject({})
    const published = await project.core(['publish', 'orders', '1', '--exchange', 'shop.orders', '--routing-key', 'order.eu'])
    expect([published.code, published.stdout]).toEqual([0, expect.stringMatching(/ orders\n$/)])
    const [topic] = JSON.parse((await project.core(['topics', '--json'])).stdout)
    expect(topic).toMatchObject({ topic: 'orders' })
    const alone = await project.core(['publish', 'orders', '1', '--routing-key', 'order.eu'])
    expect([alone.code, said(alone)]).toEqual([2, expect.stringContaining('has a routingKey and no exchange')])
  })

  test('without a message says how to give one', async () => {
    const { code, stderr } = await makeProject({}).core(['publish', 't'])
    expect(stderr).toMatch(/^error: what is to be published\? Give JSON, or - to read it from stdin/)
    expect(code).toBe(2)
  })
})

describe('core topics and core dlq', () => {
  test('show what waits and what died, and hand back what was asked for', async () => {
    const project = makeProject({ 'handlers.js': FAILING })
    const publish = (id: number) =>
      project.core(['publish', 'payments', JSON.stringify({ id }), '--event', 'payment.completed', '--key', String(id)])
    const [first] = [await publish(1), await publish(2), await publish(3)]
    const id = first.stdout.split(' ')[0] as string
    await project.core(['publish', 'alone', '1'])
    const failing = project.start(['consumer', 'handlers.js'])
    await failing.says(/(moved to dead letters[\s\S]*){3}/)
    await failing.stop()

    const [table, json, list, letters] = await Promise.all([
      project.core(['topics']),
      project.core(['topics', '--json']),
      project.core(['dlq', 'list', '--group', 'billing']),
      project.core(['dlq', 'list', '--id', id, '--json']),
    ])
    expect(table.stdout).toBe(`TOPIC     GROUP       READY  IN FLIGHT  DELAYED  DEAD  OLDEST  MEMBERS  MSG/S  FAILED  BUSY
alone     (none yet)      1          -        -     -       -        -      -       -     -
payments  billing         0          0        0     3       -        0      -       -     -
`)
    const [broken, fine, wrong] = await Promise.all([
      project.core(['topics', '--fail-if', 'dead>2', '--fail-if', 'ready>100']),
      project.core(['topics', '--json', '--fail-if', 'dead>3', '--fail-if', 'failed>5%']),
      project.core(['topics', '--fail-if', 'daed>2']),
    ])
    expect([broken.code, fine.code, wrong.code]).toEqual([1, 0, 2])
    expect(broken.stdout).toContain('payments  billing')
    expect(broken.stderr).toContain("error: topic payments, group billing: dead is 3 (--fail-if 'dead>2')")
    expect(wrong.stderr).toContain('Did you mean dead?')
    expect(JSON.parse(json.stdout)).toMatchObject([
      { topic: 'alone', group: null },
      { topic: 'payments', group: 'billing', ready: 0, dead: 3 },
    ])
    expect(list.stdout).toContain(`${id}  payments  billing  failed`)
    expect(list.stdout).toContain('    payment.completed: card declined (attempt 1)')
    expect(JSON.parse(letters.stdout).letters).toMatchObject([
      {
        id,
        topic: 'payments',
        group: 'billing',
        key: '1',
        event: 'payment.completed',
        attempts: 1,
        reason: 'failed',
        error: 'card declined',
        body: { data: { id: 1 } },
      },
    ])

    const [all, both, none, ghost] = await Promise.all([
      project.core(['dlq', 'retry']),
      project.core(['dlq', 'retry', '--all', '--topic', 'payments']),
      project.core(['dlq', 'retry', '--topic', 'nothing']),
      project.core(['dlq', 'retry', '--id', 'ghost']),
    ])
    expect(all.stderr).toContain('error: which dead letters? Choose with --topic, --group or --id, or say --all')
    expect(both.stderr).toContain('error: --all and a filter')
    expect([none.code, said(none)]).toEqual([2, 'error: no such topic: nothing; there are alone, payments'])
    expect(ghost.stderr).toContain('error: there is no dead letter with the id ghost')
    expect([all, both, ghost].map(({ code }) => code)).toEqual([2, 2, 1])

    const one = await project.core(['dlq', 'retry', '--id', id, '--json'])
    expect([one.code, one.stdout]).toEqual([0, '{"replayed":1}\n'])
    const startedAt = performance.now()
    const rest = await project.core(['dlq', 'retry', '--all', '--rate', '1'])
    expect([rest.code, rest.stdout]).toEqual([0, '2 handed back\n'])
    expect(performance.now() - startedAt).toBeGreaterThan(900)

    const working = project.start(['consumer', 'handlers.js'], { env: { WORKS: '1' } })
    await working.says(/(paid \d[\s\S]*){3}/)
    await working.stop()
    expect((await project.core(['dlq', 'list'])).stdout).toBe('no dead letters\n')
  })
})

describe('core', () => {
  test('has help with examples and exit codes for every command', async () => {
    const project = makeProject({})
    const parents = [['dlq'], ['groups']]
    const ofDlq = ['list', 'show', 'retry', 'purge', 'export', 'import'].map((name) => ['dlq', name])
    const others = [['groups', 'list'], ['groups', 'remove'], ['topics'], ['topics', 'create'], ['bridge']]
    const commands: readonly (readonly string[])[] = [[], ['consumer'], ['publish'], ...parents, ...ofDlq, ...others]
    const helps = await Promise.all(commands.map((command) => project.core([...command, '--help'])))
    for (const [i, { code, stdout }] of helps.entries()) {
      expect(code).toBe(0)
      expect(stdout).toContain(`Usage: npx corebus ${commands[i]?.join(' ')}`.trimEnd())
      expect(stdout).toMatch(/\$ npx corebus /)
      if (!parents.some(([name]) => commands[i]?.join(' ') === name)) expect(stdout).toMatch(/ {2}70 {2}/)
      for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
      expect(stdout).not.toContain('\x1b')
    }
  })

  test('ends with 2 for what it does not know, and says what belongs to another package', async () => {
    const project = makeProject({}, { copied: true })
    const [command, option, number, outbox] = await Promise.all([
      project.core(['consume']),
      project.core(['consumer', '--topics', 'a']),
      project.core(['consumer', '--workers', '0']),
      project.core(['outbox', 'list']),
    ])
    expect(command.stderr).toMatch(/^error: unknown command 'consume'\n\(Did you mean consumer\?\)/)
    expect(option.stderr).toMatch(/^error: unknown option '--topics'\n\(Did you mean --topic\?\)/)
    expect(number.stderr).toMatch(/^error: option '--workers <n>' argument '0' is invalid\. It must be a whole number of at least 1\./)
    expect(outbox.stderr).toBe('error: npx corebus outbox belongs to the package @corebus/sql: npm install @corebus/sql\n')
    expect([command, option, number, outbox].map(({ code }) => code)).toEqual([2, 2, 2, 2])
  })

  test('takes the commands of a package that is installed', async () => {
    const project = makeProject({
      'node_modules/@corebus/sql/package.json': JSON.stringify({ name: '@corebus/sql', type: 'module', exports: { './cli': './cli.js' } }),
      'node_modules/@corebus/sql/cli.js': `export const commands = (program) => program.command('outbox').action(() => console.log('3 waiting'))`,
    })
    expect(await project.core(['outbox'])).toEqual({ code: 0, stdout: '3 waiting\n', stderr: '' })
  })
})
