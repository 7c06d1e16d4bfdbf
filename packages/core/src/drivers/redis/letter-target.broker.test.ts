import { broker } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import type { LetterTarget, Source } from '../../driver.ts'
import { createMessaging } from '../../messaging.ts'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'

// Dead letters that go to streams of others, read by the client alone.

const running = await broker('redis', { own: true })
afterAll(() => running?.stop())
const url = running?.url ?? ''

describe.skipIf(!running)('dead letters for others on Redis', () => {
  test('go to their stream with all fields as they were; no place of ours is made', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const [stream, dead] = [`shop:${room.topic}`, `shop:dead:${room.topic}`]
    for (const key of [stream, dead]) await bare.ask('XGROUP', 'CREATE', key, 'theirs', '0', 'MKSTREAM')
    const bytes = Buffer.from([0, 255, 123])
    await bare.ask('XADD', stream, '*', 'payload', bytes, 'kind', 'order', 'kind', 'again')
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], source: { stream }, deadLetter: { to: { stream: dead } } })
    const first = await group.nth(1)
    await group.settle([{ kind: 'retry', delivery: first, headers: { 'corebus-attempt': '2' }, afterMs: 30 }])
    const again = await group.nth(2)
    await group.settle([{ kind: 'deadLetter', delivery: again, headers: { 'corebus-reason': 'failed', 'corebus-group': 'g' } }])
    const [letter, ...more] = await bare.entries(dead)
    expect(more).toEqual([])
    expect(letter?.fields.slice(0, 6)).toEqual(['payload', bytes, 'kind', 'order', 'kind', 'again'].map((part) => Buffer.from(part)))
    const ours = letter?.fields.slice(6).map(String) ?? []
    expect(ours).toEqual(expect.arrayContaining(['corebus-id', first.message.id, 'corebus-attempt', '2', 'corebus-reason', 'failed']))
    expect(await driver.admin.depth(room.topic, 'g')).toMatchObject({ dead: 0, ready: 0, inFlight: 0, delayed: 0 })
    expect(((await bare.ask('KEYS', '*')) as string[]).filter((key) => key.includes(room.topic) && key.includes(':dead:')).sort()).toEqual(
      [dead].sort(),
    )
    expect(await bare.ask('XPENDING', stream, 'g')).toEqual([0, null, null, null])
  })

  test('that have no such place are refused with their code, in create and in check, and nothing is made', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const [stream, list] = [`s:${room.topic}`, `l:${room.topic}`]
    await bare.ask('XGROUP', 'CREATE', stream, 'theirs', '0', 'MKSTREAM')
    await bare.ask('RPUSH', list, 'a')
    const before = ((await bare.ask('KEYS', '*')) as string[]).sort()
    const driver = await room.connected()
    const wrong: readonly (readonly [LetterTarget, Source | undefined, string])[] = [
      [{ stream: 'no:such' }, undefined, 'there is no stream no:such'],
      [{ stream: list }, undefined, 'is no stream'],
      [{ exchange: 'dlx' }, undefined, 'nothing of Redis'],
      [{ stream }, { stream }, 'what the group itself reads'],
      [{ stream: room.topic }, undefined, 'what the group itself reads'],
    ]
    for (const mode of ['create', 'check'] as const)
      for (const [to, source, words] of wrong) {
        const refused = member(driver, { topics: [room.topic], deadLetter: { to }, mode, ...(source && { source }) })
        await expect(refused).rejects.toMatchObject({ code: 'TARGET', message: expect.stringContaining(words) })
      }
    expect(((await bare.ask('KEYS', '*')) as string[]).sort()).toEqual(before)
  })

  test.each(['their stream is gone', 'something else has its key'])(
    'while %s are tried again and said, nothing of them is lost or cut, and other messages go on',
    async (trouble) => {
      const room = openRoom(url)
      const bare = await room.bare()
      const dead = `shop:dead:${room.topic}`
      await bare.ask('XGROUP', 'CREATE', dead, 'theirs', '0', 'MKSTREAM')
      const lines: { readonly level: number; readonly msg: string }[] = []
      const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
      const messaging = createMessaging({ broker: 'redis', url, service: 's', env: {}, logger })
      onTestFinished(() => messaging.close())
      messaging.handle(
        { topic: room.topic, group: 'g', maxRetries: 0, deadLetter: { to: { stream: dead } } },
        ({ ok }: { ok: boolean }) => {
          if (!ok) throw new Error('card declined')
        },
      )
      await messaging.start()
      await bare.ask('DEL', dead)
      if (trouble.startsWith('something')) await bare.ask('RPUSH', dead, 'a')
      const body = { ok: false, text: 'x'.repeat(1_000) }
      await messaging.getProducer().send(room.topic, body, { id: 'bad' })
      await until(() => lines.some(({ msg }) => msg.includes(dead)))
      await messaging.getProducer().send(room.topic, { ok: true })
      await until(() => messaging.counters.handled === 1)
      await quiet()
      expect(messaging.counters.dead).toBe(0)
      await bare.ask('DEL', dead)
      await bare.ask('XGROUP', 'CREATE', dead, 'theirs', '0', 'MKSTREAM')
      await until(() => messaging.counters.dead === 1)
      const [letter, ...more] = await bare.entries(dead)
      expect([more.length, letter?.fields.map(String)]).toEqual([0, expect.arrayContaining([JSON.stringify(body), 'bad'])])
    },
  )

  test('with more fields than a script can hand to one command are there whole', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const [stream, dead] = [`shop:${room.topic}`, `shop:dead:${room.topic}`]
    for (const key of [stream, dead]) await bare.ask('XGROUP', 'CREATE', key, 'theirs', '0', 'MKSTREAM')
    await bare.ask('XADD', stream, '*', ...Array.from({ length: 20_000 }, (_, n) => `f${n}`))
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], source: { stream }, deadLetter: { to: { stream: dead } } })
    await group.settle([{ kind: 'deadLetter', delivery: await group.nth(1), headers: { 'corebus-reason': 'failed' } }])
    const [letter] = await bare.entries(dead)
    expect([letter?.fields.length, String(letter?.fields[19_999])]).toEqual([20_004, 'f19999'])
  })

  test('leave those from before where they are, which are found and handed back; and come to us again when the group says so', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const dead = `shop:dead:${room.topic}`
    await bare.ask('XGROUP', 'CREATE', dead, 'theirs', '0', 'MKSTREAM')
    const [one, two, three] = messages(room.topic, 3)
    for (const [sent, deadLetter] of [
      [one, {}],
      [two, { to: { stream: dead } }],
      [three, {}],
    ] as const) {
      const driver = await room.connected()
      const group = await member(driver, { topics: [room.topic], deadLetter })
      if (sent) await driver.publish([sent])
      await group.settle([{ kind: 'deadLetter', delivery: await group.nth(1), headers: {} }])
      const { admin } = await room.connected()
      expect((await admin.topics([room.topic]))[0]?.lettersTo).toEqual(sent === two ? { g: { stream: dead } } : undefined)
      await driver.close()
    }
    const { admin } = await room.connected()
    expect((await admin.deadLetters({ topic: room.topic })).letters.map(({ message }) => message.id)).toEqual([one?.id, three?.id])
    expect((await bare.entries(dead)).length).toBe(1)
    expect(await admin.replay({ topic: room.topic }, {})).toBe(2)
  })
})
