import assert from 'node:assert/strict'
import { HEADER } from '../../wire/headers.ts'
import { type ConformanceCase, casesOf, durable } from './case.ts'
import { until } from './wait.ts'

const dying = casesOf('Retry and dead letters')

const COUNT = 100
/** Five crashes of the poison message itself, and those in which it dies beside others before it is alone. */
const MOST_LIVES = 20

const CRASH_LIMIT = 3
/** So that a member has been told to take more than one at a time. */
const SOME = 5
const WARM_UP = 200
/** Those that come together, with it near the front. */
const TOGETHER = Array.from({ length: 40 }, (_, n) => 100_000 + n)
const POISON = 100_004

export const poisonCases: readonly ConformanceCase[] = [
  dying(
    'a message whose handler kills the process, among 100 with a limit of 50: exactly that one is dead-lettered, 99 are handled',
    async (room) => {
      const topic = room.topic()
      const messaging = room.messaging()
      await messaging.getProducer().sendAll(
        topic,
        Array.from({ length: COUNT }, (_, n) => ({ message: n === 60 ? { n, poison: true } : { n }, key: n % 25, id: `${topic}-${n}` })),
      )
      const { admin } = await messaging.driver()
      const handled = new Set<number>()
      const dead = async () => (await admin.depth(topic, 'g')).dead
      let lives = 0
      while (handled.size < COUNT - 1 || (await dead()) === 0) {
        assert.ok(++lives <= MOST_LIVES, `after ${MOST_LIVES} lives ${handled.size} are handled and ${await dead()} dead`)
        const child = room.child('handler', { topic, dies: true, tookMs: 2, messaging: { concurrency: 25 } })
        let died = false
        void child.exited.then(() => {
          died = true
        })
        const all = () => new Set([...handled, ...child.heard('handled').map(({ n }) => n)]).size >= COUNT - 1
        await until(async () => died || (all() && (await dead()) > 0), child.trouble)
        await child.kill()
        for (const { n } of child.heard('handled')) handled.add(n)
      }
      assert.ok(lives > 5, `only ${lives} processes died`)
      const letters = (await admin.deadLetters({ topic })).letters
      assert.deepEqual(
        letters.map(({ message }) => [message.id, message.headers[HEADER.reason]]),
        [[`${topic}-60`, 'crash']],
      )
      assert.deepEqual(
        [...handled].sort((a, b) => a - b),
        Array.from({ length: COUNT }, (_, n) => n).filter((n) => n !== 60),
      )
    },
    { needs: durable, timeoutMs: 120_000 },
  ),

  dying(
    'it goes from one busy member to the next, each of which has many messages at a time: only it is dead-lettered, what comes with it is not',
    async (room) => {
      const topic = room.topic()
      const messaging = room.messaging()
      const producer = messaging.getProducer()
      const { admin } = await messaging.driver()
      const members = Array.from({ length: CRASH_LIMIT + 1 }, () =>
        room.child('handler', { topic, dies: true, tookMs: 2, messaging: { crashLimit: CRASH_LIMIT } }),
      )
      const handled = () => new Set(members.flatMap((member) => member.heard('handled').map(({ n }) => n)))
      const trouble = () => members.map((member) => member.trouble())
      const busy = () => members.filter((member) => member.heard('handled').length >= SOME)
      for (let n = WARM_UP; busy().length < members.length; n += WARM_UP) {
        await producer.sendAll(
          topic,
          Array.from({ length: WARM_UP }, (_, i) => ({ message: { n: n + i }, key: `warm ${n + i}` })),
        )
        await until(() => handled().size === n, trouble, 60_000)
      }
      // All of one key: they are together wherever they come.
      await producer.sendAll(
        topic,
        TOGETHER.map((n) => ({ message: n === POISON ? { n, poison: true } : { n }, key: 'one', id: `${topic}-${n}` })),
      )
      const others = TOGETHER.filter((n) => n !== POISON)
      await until(
        async () => (await admin.depth(topic, 'g')).dead > 0 && others.every((n) => handled().has(n)),
        async () => ({ ...(await admin.depth(topic, 'g')), handled: handled().size, trouble: trouble() }),
        60_000,
      )
      const letters = (await admin.deadLetters({ topic })).letters
      assert.deepEqual(
        letters.map(({ message }) => [message.id, message.headers[HEADER.reason]]),
        [[`${topic}-${POISON}`, 'crash']],
      )
    },
    { needs: durable, timeoutMs: 180_000 },
  ),

  dying(
    'ten restarts of a member in the middle of its work dead-letter nothing and spend no attempt',
    async (room) => {
      const topic = room.topic()
      const messaging = room.messaging()
      await messaging.getProducer().sendAll(
        topic,
        Array.from({ length: 10 }, (_, n) => ({ message: { n }, key: n })),
      )
      const { admin } = await messaging.driver()
      for (let life = 1; life <= 10; life++) {
        const child = room.child('handler', {
          topic,
          does: 'hold',
          messaging: { shutdownMs: 50, abortGraceMs: 500, maxRetries: 0, crashLimit: 2 },
        })
        await until(() => child.heard('started').length > 0, child.trouble)
        child.signal('SIGTERM')
        assert.equal(await child.exited, 0, child.trouble())
        for (const { attempt } of child.heard('started')) assert.equal(attempt, 1)
      }
      assert.equal((await admin.depth(topic, 'g')).dead, 0)
      const seen: number[] = []
      messaging.handle({ topic, group: 'g', maxRetries: 0 }, ({ n }: { n: number }, { attempt }) => {
        assert.equal(attempt, 1)
        seen.push(n)
      })
      await messaging.start()
      await until(
        () => seen.length >= 10,
        () => seen,
      )
      assert.deepEqual(seen.toSorted(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    },
    { needs: durable, timeoutMs: 120_000 },
  ),
]
