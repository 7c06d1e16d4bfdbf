import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeProject } from '../../../test/project.ts'

const PRINTING = `
import { handle } from '@corebus/core'
handle({ topic: 'orders', group: 'billing', decode: 'text' }, (text, { id, key, headers }) => {
  console.log('got ' + JSON.stringify({ id, key: key ?? null, type: headers['content-type'] ?? null, text }))
})
`
const got = (stdout: string) =>
  [...stdout.matchAll(/^got (.*)$/gm)].map(([, json]) => JSON.parse(json as string) as Record<string, unknown>)

const PUBLISHING = `
import { createMessaging } from '@corebus/core'
const messaging = createMessaging()
const messages = Array.from({ length: Number(process.argv[2]) }, (_, n) => ({ message: { n }, key: 'k' + (n % 7) }))
const ids = await messaging.getProducer().sendAll('orders', messages)
await messaging.close()
`

/** A project with an old and a new broker. */
function between() {
  const project = makeProject({ 'handlers.js': PRINTING, 'publish.mjs': PUBLISHING })
  const [old, next] = ['old.db', 'new.db'].map((name) => join(project.folder, name)) as [string, string]
  const addresses = ['--from', old, '--to', next, '--topic', 'orders']
  return { project, old: { SQLITE_PATH: old }, next: { SQLITE_PATH: next }, addresses }
}

describe('core bridge', { timeout: 60_000 }, () => {
  test('copies ids, keys, headers and bytes, and ends when nothing is left', async () => {
    const { project, old, next, addresses } = between()
    const published = await project.core(['publish', 'orders', '{"n": 12345678901234567890}', '--key', '7'], { env: old })
    await project.core(['publish', 'orders', '--event', 'ping'], { env: old })
    const bridged = await project.core(['bridge', ...addresses, '--until-empty'])
    expect([bridged.code, bridged.stdout]).toEqual([0, '2 copied\n'])
    const consumer = project.start(['consumer', 'handlers.js'], { env: next })
    await consumer.says(/(^got [\s\S]*){2}/m)
    await consumer.stop()
    const [id] = published.stdout.split(' ')
    // They have different keys: no order is promised.
    const [keyed, event] = got(consumer.stdout).sort((one) => (one.key === '7' ? -1 : 1))
    expect(keyed).toEqual({ id, key: '7', type: 'application/json', text: '{"n": 12345678901234567890}' })
    expect(JSON.parse(String(event?.text))).toMatchObject({ name: 'ping' })
    const again = await project.core(['bridge', ...addresses, '--until-empty', '--json'])
    expect([again.code, again.stdout]).toEqual([0, '{"copied":0,"refused":0}\n'])
  })

  test('between two names of the same broker it copies nothing, and says so', async () => {
    const { project, old } = between()
    await project.core(['publish', 'orders', '1'], { env: old })
    const pairs = [
      ['./old.db', 'old.db'],
      [old.SQLITE_PATH, 'sub/../old.db'],
      ['redis://h:6379', 'redis://h/0'],
      ['redis://u:p@localhost', 'redis://127.0.0.1:6379/0'],
      ['amqp://h', 'amqps://u:p@H:5672/'],
      ['kafka://a:9092,b:9092', 'kafka://b:9092,a:9092'],
    ]
    for (const [from, to] of pairs) {
      const { code, stderr } = await project.core(['bridge', '--from', from ?? '', '--to', to ?? '', '--topic', 'orders', '--until-empty'])
      expect([code, stderr], `${from} ${to}`).toEqual([2, expect.stringMatching(/--from and --to are the same/)])
    }
  })

  test('two of them, one each way, bring nothing back', async () => {
    const { project, old, next, addresses } = between()
    await project.node(['publish.mjs', '10'], { env: old })
    await project.node(['publish.mjs', '5'], { env: next })
    const back = ['--from', next.SQLITE_PATH, '--to', old.SQLITE_PATH, '--topic', 'orders']
    const run = async (which: readonly string[]) =>
      JSON.parse((await project.core(['bridge', ...which, '--until-empty', '--json'])).stdout) as object
    expect(await run(addresses)).toEqual({ copied: 10, refused: 0 })
    expect(await run(back)).toEqual({ copied: 5, refused: 0, there: 10 })
    expect(await run(addresses)).toEqual({ copied: 0, refused: 0, there: 5 })
    expect(await run(back)).toEqual({ copied: 0, refused: 0 })
  })

  test('killed in the middle it goes on where it was: nothing is lost, ids stay, the order per key too', async () => {
    const { project, old, next, addresses } = between()
    await project.node(['publish.mjs', '5000'], { env: old })
    for (let kills = 0; kills < 3; kills++) {
      const bridge = project.start(['bridge', ...addresses])
      await bridge.says(/broker sqlite at \S*new\.db/)
      await new Promise((resolve) => setTimeout(resolve, 50 + 150 * kills))
      bridge.signal('SIGKILL')
      await bridge.end
    }
    const rest = await project.core(['bridge', ...addresses, '--until-empty', '--json'])
    expect([rest.code, JSON.parse(rest.stdout)]).toEqual([0, { copied: expect.any(Number), refused: 0 }])
    const consumer = project.start(['consumer', 'handlers.js', '--concurrency', '50'], { env: next })
    for (let last = 4_993; last < 5_000; last++) await consumer.says(new RegExp(`n\\\\":${last}\\b`))
    await consumer.stop()
    const numbers = new Map<string, number[]>()
    const seen = new Set<unknown>()
    for (const { id, key, text } of got(consumer.stdout)) {
      if (seen.has(id)) continue
      seen.add(id)
      numbers.set(String(key), [...(numbers.get(String(key)) ?? []), JSON.parse(String(text)).n])
    }
    expect(seen.size).toBe(5_000)
    for (const ofKey of numbers.values()) expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b))
  })

  test('a signal ends it in good order', async () => {
    const { project, old, addresses } = between()
    await project.core(['publish', 'orders', '1'], { env: old })
    const bridge = project.start(['bridge', ...addresses])
    await bridge.says(/broker sqlite at \S*new\.db/)
    const { code } = await bridge.stop()
    expect(code).toBe(0)
    expect(bridge.stdout).toMatch(/^\d copied\n$/)
  })

  test('a broker inside of one process cannot be either end', async () => {
    const { project, addresses } = between()
    const { code, stderr } = await project.core(['bridge', ...addresses.with(3, 'memory:'), '--until-empty'])
    expect(stderr).toMatch(/^error: npx corebus bridge needs a broker that several processes share/m)
    expect(code).toBe(2)
  })

  test.each([
    [['--from', 'a.db', '--to', 'b.db'], 'error: which topics? Name each with --topic'],
    [['--from', 'a.db', '--to', 'a.db', '--topic', 't'], 'error: --from and --to are the same'],
    [['--from', 'http://x', '--to', 'a.db', '--topic', 't'], 'has a scheme that no broker has'],
    [['--from', 'a.db', '--topic', 't'], "required option '--to <url>' not specified"],
  ])('%j is a mistake that it names', async (args, said) => {
    const { code, stderr } = await makeProject({}).core(['bridge', ...args])
    expect(stderr).toContain(said)
    expect(code).toBe(2)
  })
})
