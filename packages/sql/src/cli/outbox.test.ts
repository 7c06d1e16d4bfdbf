import { describe, expect, test, vi } from 'vitest'
import { databaseOf, makeShop, type Shop } from '../fixtures/shop.ts'

/** A test runs ten processes and more, which on a busy machine take seconds each. */
vi.setConfig({ testTimeout: 180_000 })

/** A shop in which the broker has refused the first of two messages of one key for good; another one is delayed, and one waits. */
async function withDead(): Promise<Shop> {
  const shop = await makeShop()
  await shop.produce(['refused', 'k', 1], ['refused', 'k', 2], ['orders', 'late', 3, 3_600_000])
  const relay = shop.start(['outbox', 'relay'], { env: { BROKER: 'refuses' } })
  const database = databaseOf(shop)
  // What the dead one holds lies above 200: see outbox/tables.ts.
  const held = () => database.prepare('SELECT count(*) AS n FROM outbox WHERE part >= 200').get()?.n
  await expect.poll(held, { timeout: 60_000 }).toBe(1)
  await relay.stop()
  await shop.produce(['orders', 'b', 4])
  return shop
}

interface Figures {
  readonly waiting: number
  readonly delayed: number
  readonly held: number
  readonly dead: number
  readonly oldestMs: number
}

async function figures({ core }: Shop): Promise<Figures> {
  return JSON.parse((await core(['outbox', 'status', '--json'])).stdout)
}

const left = async (shop: Shop): Promise<readonly number[]> => {
  const { waiting, delayed, held, dead } = await figures(shop)
  return [waiting, delayed, held, dead]
}

describe('core outbox', () => {
  test('shows what waits, what is delayed, what died and what it holds, and changes nothing', async () => {
    const shop = await withDead()
    expect(await figures(shop)).toMatchObject({ table: 'outbox', waiting: 1, delayed: 1, aside: 0, held: 1, dead: 1 })
    const [status, fails, fine, wrong, list, dead, one] = await Promise.all([
      shop.core(['outbox', 'status']),
      shop.core(['outbox', 'status', '--fail-if', 'dead>0', '--fail-if', 'oldest > 0.001s', '--fail-if', 'waiting>5']),
      shop.core(['outbox', 'status', '--fail-if', 'oldest>3600s']),
      shop.core(['outbox', 'status', '--fail-if', 'waitng>5']),
      shop.core(['outbox', 'list']),
      shop.core(['outbox', 'list', '--state', 'dead', '--json']),
      shop.core(['outbox', 'list', '--limit', '1']),
    ])
    expect(status.stdout).toMatch(/^WAITING {2}DELAYED {2}ASIDE {2}HELD {2}DEAD {2} *OLDEST\n {6}1 {8}1 {6}0 {5}1 {5}1 {2} *\d+ (ms|s)\n$/)
    expect([fails.code, fine.code, wrong.code]).toEqual([1, 0, 2])
    expect(fails.stderr).toMatch(/error: dead is 1 \(--fail-if 'dead>0'\)\noldest is [\d.]+s \(--fail-if 'oldest > 0\.001s'\)\n/)
    expect(wrong.stderr).toContain('Did you mean waiting?')
    // What the entry prints while it is loaded is no part of a result.
    expect(status.stderr).toContain('greetings of a loader')
    const rows = list.stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/))
    expect(rows[0]).toEqual(['STATE', 'ID', 'TOPIC', 'KEY', 'EVENT', 'AGE', 'ATTEMPTS', 'WHY'])
    expect(rows.slice(1).map(([state, , topic, key]) => [state, topic, key])).toEqual([
      ['dead', 'refused', 'k'],
      ['held', 'refused', 'k'],
      ['waiting', 'orders', 'b'],
      ['delayed', 'orders', 'late'],
    ])
    expect([rows[1]?.at(-1), rows[4]?.at(-1)]).toEqual(['not this one, password=***', expect.stringMatching(/^due in \d+ min$/)])
    expect(JSON.parse(dead.stdout).messages).toMatchObject([
      {
        state: 'dead',
        topic: 'refused',
        key: 'k',
        event: 'order.created',
        attempts: 1,
        error: 'not this one, password=***',
        at: expect.stringMatching(/Z$/),
      },
    ])
    const [, next = ''] = /^.*\ndead .*\nand more: go on with --after (\S+)\n$/.exec(one.stdout) ?? []
    const [
      {
        messages: [{ id }],
      },
      rest,
      foreign,
    ] = [
      JSON.parse(dead.stdout),
      await shop.core(['outbox', 'list', '--after', next, '--limit', '2', '--json']),
      await shop.core(['outbox', 'list', '--after', 'x']),
    ]
    expect(JSON.parse(rest.stdout)).toMatchObject({ messages: [{ state: 'held' }, { state: 'waiting' }], next: expect.any(String) })
    expect([foreign.code, foreign.stderr]).toEqual([2, expect.stringContaining('error: the outbox cannot be listed after "x"')])
    const [text, json, ghost] = await Promise.all([
      shop.core(['outbox', 'show', id]),
      shop.core(['outbox', 'show', id, '--json']),
      shop.core(['outbox', 'show', 'ghost']),
    ])
    expect(text.stdout).toMatch(new RegExp(`^id +${id}\nstate +dead\n`))
    expect(text.stdout).toContain('error\n  not this one, password=***\n')
    expect(text.stdout).toContain('"n": 1')
    expect(JSON.parse(json.stdout)).toMatchObject({ id, state: 'dead', body: { name: 'order.created', data: { n: 1 } } })
    expect([ghost.code, ghost.stderr]).toEqual([1, expect.stringContaining('error: there is no message ghost in the outbox')])
    expect(await left(shop)).toEqual([1, 1, 1, 1])
  })

  test('gives the dead to the relay again, before what they held', async () => {
    const shop = await withDead()
    const [none, both, other, ghost] = await Promise.all([
      shop.core(['outbox', 'retry']),
      shop.core(['outbox', 'retry', '--all', '--key', 'k']),
      shop.core(['outbox', 'retry', '--topic', 'orders']),
      shop.core(['outbox', 'retry', '--id', 'ghost']),
    ])
    expect([none.code, both.code, other.code, ghost.code]).toEqual([2, 2, 0, 1])
    expect(none.stderr).toContain('error: which dead messages? Choose with --id, --topic or --key, or say --all')
    expect(other.stdout).toBe('no dead messages to retry\n')
    expect(ghost.stderr).toContain('error: there is no dead message with the id ghost')
    const retried = await shop.core(['outbox', 'retry', '--topic', 'refused', '--key', 'k'])
    expect([retried.code, retried.stdout]).toEqual([0, '1 given to the relay again\n'])
    expect(await left(shop)).toEqual([3, 1, 0, 0])
    const { messages: waiting } = JSON.parse(
      (await shop.core(['outbox', 'list', '--state', 'waiting', '--topic', 'refused', '--json'])).stdout,
    )
    const first = JSON.parse((await shop.core(['outbox', 'show', waiting[0].id, '--json'])).stdout)
    expect([waiting.length, first.body.data]).toEqual([2, { n: 1 }])
  })

  test('deletes the dead when somebody has said yes, and what they held may leave', async () => {
    const shop = await withDead()
    const {
      messages: [{ id }],
    } = JSON.parse((await shop.core(['outbox', 'list', '--state', 'dead', '--json'])).stdout)
    const unasked = await shop.core(['outbox', 'purge', '--all'])
    expect([unasked.code, unasked.stderr]).toEqual([
      2,
      expect.stringContaining('1 dead message would be deleted for good. Say --yes to do it'),
    ])
    expect(await left(shop)).toEqual([1, 1, 1, 1])
    const purged = await shop.core(['outbox', 'purge', '--id', id, '--yes', '--json'])
    expect([purged.code, purged.stdout]).toEqual([0, '{"purged":1}\n'])
    expect(await left(shop)).toEqual([2, 1, 0, 0])
  })

  test('prints the statements of all parts, or those of the entry, and makes its tables as often as it is asked', async () => {
    const shop = await makeShop()
    const names = (text: string) => [...text.matchAll(/CREATE TABLE IF NOT EXISTS [`"]?(\w+)/g)].map(([, name]) => name)
    const [postgres, mysql, own, unknown, again] = await Promise.all([
      shop.core(['outbox', 'ddl', '--dialect', 'postgres']),
      shop.core(['outbox', 'ddl', '--dialect', 'mariadb']),
      shop.core(['outbox', 'ddl']),
      shop.core(['outbox', 'ddl', '--dialect', 'oracle']),
      shop.core(['outbox', 'migrate', '--leases', 'locks']),
    ])
    const outbox = ['outbox', 'outbox_delayed', 'outbox_dead', 'outbox_parts']
    expect(names(postgres.stdout)).toEqual(expect.arrayContaining(['corebus_schema', ...outbox, 'processed_events', 'leases', 'schedules']))
    expect(names(mysql.stdout)).toEqual(['corebus_schema', ...outbox, 'processed_events', 'leases', 'schedules'])
    expect(mysql.stdout).toContain('ENGINE = InnoDB')
    expect(names(own.stdout)).toEqual(['corebus_schema', ...outbox, 'processed_events', 'schedules'])
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('error: --dialect oracle: there are postgres,')])
    expect([again.code, again.stdout]).toEqual([0, expect.stringMatching(/shop\.db has outbox, processed_events, schedules, locks\n$/)])
    expect(databaseOf(shop).prepare("SELECT name FROM sqlite_master WHERE name = 'locks'").all()).toHaveLength(1)
    // What is printed can be run.
    databaseOf(shop).exec(own.stdout)
  })

  test('move gives an outbox to the service of the entry, whose relay is refused before and works after', async () => {
    const shop = await makeShop()
    const database = databaseOf(shop)
    await shop.produce(['orders', 'a', 1])
    database.exec(`UPDATE outbox_parts SET owner = '["orders","kafka, prefix shop."]' WHERE part = -2`)
    const refused = await shop.core(['outbox', 'relay'])
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringMatching(
        /^error: what is in outbox of .* is published by the service orders, to kafka, prefix shop\., and this one, shop/,
      ),
    ])
    const asked = await shop.core(['outbox', 'move'])
    expect([asked.code, asked.stderr]).toEqual([
      2,
      expect.stringMatching(/error: 1 messages wait in outbox .*orders.*shop.*Say --yes to do it\n$/),
    ])
    expect(await shop.core(['outbox', 'move', '--yes'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^shop publishes .* to sqlite /),
    })
    expect(await shop.core(['outbox', 'move'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^shop publishes to .* already\n$/),
    })
    const relay = shop.start(['outbox', 'relay'])
    await expect.poll(() => database.prepare('SELECT count(*) AS n FROM outbox').get()?.n, { timeout: 60_000 }).toBe(0)
    await relay.stop()
  })

  test('has help with examples and exit codes, no wider than a terminal', async () => {
    const shop = await makeShop()
    const below = ['relay', 'status', 'list', 'show', 'retry', 'purge', 'ddl', 'migrate', 'move'].map((name) => ['outbox', name])
    const commands = [['outbox'], ['schedule'], ...below, ['schedule', 'list'], ['schedule', 'run']]
    const helps = await Promise.all(commands.map((command) => shop.core([...command, '--help'])))
    for (const [i, { code, stdout }] of helps.entries()) {
      expect(code).toBe(0)
      expect(stdout).toContain(`Usage: npx corebus ${commands[i]?.join(' ')}`)
      expect(stdout).toMatch(/\$ npx corebus /)
      if (commands[i]?.length === 2) expect(stdout).toMatch(/ {2}70 {2}/)
      for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
    }
    const all = await shop.core(['--help'])
    for (const name of [/^ {2}outbox +/m, /^ {2}schedule +/m]) expect(all.stdout).toMatch(name)
  })
})
