import assert from 'node:assert/strict'
import { CorebusError } from '../../errors.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import type { ConformanceTarget, Others } from './target.ts'
import { quiet, until } from './wait.ts'

const of = casesOf("What is others'")
const THEIRS = 300

const known = (_: unknown, { others }: ConformanceTarget): string | undefined =>
  others ? undefined : 'nobody else writes to this broker in a way of their own'

function othersOf({ others }: ConformanceTarget): Others {
  assert.ok(others, 'asked for without a client of theirs')
  return others
}

export const othersCases: readonly ConformanceCase[] = [
  of(
    'dead letters that go to a place of others are theirs alone: as their authors wrote them, with why they died; what cannot be stored there is tried again',
    async (room) => {
      const topic = room.topic()
      const { capabilities, others } = room.target
      const place = capabilities.letterTargets ? await others?.place?.(`dead-${topic}`) : undefined
      const messaging = room.messaging()
      const bad = () => {
        throw new Error('not this one')
      }
      const to = place?.to ?? { exchange: 'shop.dlx' }
      messaging.handle({ topic, group: 'g', decode: 'text', maxRetries: 1, retryDelayMs: 100, deadLetter: { to } }, bad)
      await messaging.start()
      const { admin } = await messaging.driver()
      const send = (id: string) => messaging.getProducer().send(topic, { id }, { id, key: 'k', headers: { trace: 'ä' } })
      await send('one')
      await until(
        () => messaging.counters.dead === 1,
        () => messaging.counters,
      )
      const [mine] = (await admin.deadLetters({ topic })).letters
      if (!place) {
        assert.deepEqual([mine?.message.id, (await admin.depth(topic, 'g')).dead], ['one', 1])
        return
      }
      assert.deepEqual([mine, (await admin.depth(topic, 'g')).dead], [undefined, 0])
      assert.deepEqual((await admin.topics([topic]))[0]?.lettersTo, { g: place.to })
      const [letter, ...more] = await place.read()
      assert.equal(more.length, 0)
      const { 'corebus-attempt': attempt, 'corebus-reason': reason, 'corebus-error': error, trace } = letter?.headers ?? {}
      assert.deepEqual([letter?.body, attempt, reason, error, trace], ['{"id":"one"}', '2', 'failed', 'not this one', 'ä'])
      assert.deepEqual([letter?.headers['corebus-group'], letter?.headers['corebus-topic'], letter?.key ?? 'k'], ['g', topic, 'k'])
      const filter = { topic, group: 'g' }
      assert.deepEqual([await admin.replay(filter, {}), await admin.purge(filter)], [0, 0])
      const bury = admin.bury([{ message: { id: 'x', topic, headers: {}, body: Buffer.from('{}') }, group: 'g' }])
      await assert.rejects(bury, { code: 'NO_DEAD_LETTERS' })

      await place.remove()
      await send('two')
      await until(
        async () => messaging.counters.retried === 2,
        () => messaging.counters,
      )
      await quiet()
      assert.equal(messaging.counters.dead, 1)
      await place.make()
      await until(
        async () => messaging.counters.dead === 2,
        () => messaging.counters,
      )
      assert.deepEqual(
        (await place.read()).map(({ body }) => body).filter((body) => body.includes('two')),
        ['{"id":"two"}'],
      )
    },
    {
      needs: ({ letterTargets = [] }, { others }) =>
        letterTargets.length > 0 && !others?.place ? 'nobody else has a place for dead letters on this broker' : undefined,
    },
  ),

  of(
    'a topic that others made, their group and its messages are the same after groups of ours have read, retried, buried and published there',
    async (room) => {
      const topic = room.topic()
      const others = othersOf(room.target)
      await others.makeTopic(topic, THEIRS)
      const before = await others.look(topic)
      for (const life of [1, 2]) {
        const messaging = room.messaging()
        const seen: string[] = []
        messaging.handle({ topic, group: 'ours', decode: 'text', maxRetries: 1, retryDelayMs: 100 }, (_: string, { id, attempt }) => {
          seen.push(id)
          if (id.startsWith('ours-') && (id.endsWith('-1') || attempt === 1)) throw new Error('not this one')
        })
        await messaging.start()
        await messaging.getProducer().sendAll(
          topic,
          [1, 2, 3].map((n) => ({ message: { n }, id: `ours-${life}-${n}` })),
        )
        await until(
          () => [1, 2, 3].every((n) => seen.filter((id) => id === `ours-${life}-${n}`).length === 2) && messaging.counters.dead === 1,
          () => [seen.length, messaging.counters],
        )
        await messaging.close()
        assert.deepEqual(await others.look(topic), before)
      }
    },
    { needs: known },
  ),

  of(
    'a group that others are members of is refused, and what they hold stays with them; when they have left it can be joined',
    async (room) => {
      const topic = room.topic()
      const others = othersOf(room.target)
      await others.makeTopic(topic, 3)
      const member = await others.join(topic, 'shared')
      room.onLeave(member.leave)
      const before = await member.look()
      const attempt = () => {
        const messaging = room.messaging()
        messaging.handle({ topic, group: 'shared', decode: 'text' }, () => {})
        return messaging
      }
      const refused = attempt()
      await assert.rejects(refused.start(), (thrown) => {
        assert.ok(thrown instanceof CorebusError, String(thrown))
        assert.ok(thrown.message.includes('shared'), thrown.message)
        return true
      })
      await quiet()
      await refused.close()
      assert.deepEqual(await member.look(), before)
      await member.leave()
      await attempt().start()
    },
    { needs: known },
  ),
]
