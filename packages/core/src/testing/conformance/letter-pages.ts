import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Admin, DeadLetter, DeadLetterFilter, Message } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { eachPage } from '../../operations/letter-pages.ts'
import { type ConformanceCase, casesOf, durable } from './case.ts'
import { idsOf, messages, sorted } from './room.ts'
import { quiet, until } from './wait.ts'

const paging = casesOf('Retry and dead letters')

const MANY = 20_000
const MANY_BYTES = 2_048
const AT_ONCE = 500
/** All of them have 40 MB. */
const MOST_HELD_BYTES = 24_000_000
/** Seldom: to look is to collect garbage, which takes longer than to read a page. */
const LOOK_EVERY_MS = 1_000
const LOOK_EVERY = 10 * AT_ONCE

const isNoCursor = (thrown: unknown) => thrown instanceof CorebusError && thrown.code === 'CURSOR'

/** All pages from a cursor on, of so many letters at most. */
async function pagesOf(admin: Admin, filter: DeadLetterFilter, limit: number, from?: string): Promise<readonly (readonly DeadLetter[])[]> {
  const pages: (readonly DeadLetter[])[] = []
  for (let after = from; ; ) {
    const { letters, next } = await admin.deadLetters(filter, { limit, ...(after !== undefined && { after }) })
    pages.push(letters)
    if (next === undefined) return pages
    assert.equal(letters.length, limit, 'a page that has a next one is full')
    after = next
  }
}

const buried = (admin: Admin, letters: readonly Message[], group = 'g') => admin.bury(letters.map((message) => ({ message, group })))

/** One by one: of letters of one millisecond not every broker can tell which is older. */
async function buriedInTurn(admin: Admin, letters: readonly Message[], group?: string): Promise<void> {
  for (const message of letters) {
    await buried(admin, [message], group)
    await quiet(2)
  }
}

/** The most that is held of the heap and of bytes beside it, above what was held before, whenever `look` is called and now and then between. */
async function heldBy(work: (look: () => void) => Promise<void>): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  assert.ok(typeof collect === 'function')
  const held = (): number => {
    // Bytes beside the heap are given back while the next collection begins.
    collect()
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = held()
  let most = 0
  const look = () => {
    most = Math.max(most, held() - before)
  }
  const timer = setInterval(look, LOOK_EVERY_MS)
  try {
    await work(look)
    return most
  } finally {
    clearInterval(timer)
  }
}

export const letterPageCases: readonly ConformanceCase[] = [
  paging('pages of dead letters show each letter once, oldest first, whatever is deleted and added between two of them', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    await room.member(driver, { topics: [topic] })
    const sent = messages(topic, { count: 12 })
    const ids = idsOf(sent)
    const named = (...places: readonly number[]) => places.map((n) => ids[n])
    await buriedInTurn(driver.admin, sent.slice(0, 10))
    const page = async (after?: string) => {
      // A cursor is of no process.
      const { admin } = await room.connect()
      const { letters, next } = await admin.deadLetters({ topic }, { limit: 3, ...(after !== undefined && { after }) })
      return { ids: idsOf(letters), next }
    }
    const first = await page()
    assert.deepEqual(first.ids, named(0, 1, 2))
    assert.equal(await driver.admin.purge({ topic, ids: [ids[1] ?? '', ids[4] ?? ''] }), 2)
    await buriedInTurn(driver.admin, sent.slice(10))
    const second = await page(first.next)
    assert.deepEqual(second.ids, named(3, 5, 6))
    // The last one that was shown is where it goes on, and may be gone.
    assert.equal(await driver.admin.purge({ topic, ids: [ids[6] ?? ''] }), 1)
    const third = await page(second.next)
    assert.deepEqual(third.ids, named(7, 8, 9))
    const last = await page(third.next)
    assert.deepEqual(last, { ids: named(10, 11), next: undefined })
    assert.deepEqual(await page(first.next), { ids: named(3, 5, 7), next: (await page(first.next)).next })
    assert.equal((await driver.admin.depth(topic, 'g')).dead, 9)
    const all = await driver.admin.deadLetters({ topic })
    assert.deepEqual([idsOf(all.letters), all.next], [named(0, 2, 3, 5, 7, 8, 9, 10, 11), undefined])
    // As many as there are is a page without another.
    assert.equal((await driver.admin.deadLetters({ topic }, { limit: 9 })).next, undefined)
  }),

  paging('pages over several topics and groups show each letter once, those of each in their order', async (room) => {
    const driver = await room.connect()
    const [topic, other] = [room.topic(), room.topic()]
    const [one, two] = [`one-${topic}`, `two-${topic}`]
    await room.member(driver, { topics: [topic, other], group: one })
    await room.member(driver, { topics: [topic], group: two })
    const letters = [...messages(topic, { count: 7 }), ...messages(other, { count: 7 })]
    await buriedInTurn(driver.admin, letters, one)
    await buried(driver.admin, messages(topic, { count: 3 }), two)
    const found = (await pagesOf(driver.admin, { group: one }, 2)).flat()
    assert.deepEqual(sorted(idsOf(found)), sorted(idsOf(letters)))
    for (const name of [topic, other])
      assert.deepEqual(
        idsOf(found.filter(({ message }) => message.topic === name)),
        idsOf(letters.filter((letter) => letter.topic === name)),
      )
    assert.equal((await pagesOf(driver.admin, { topic }, 4)).flat().length, 10)
    assert.equal((await pagesOf(driver.admin, { topic, group: two }, 1)).flat().length, 3)
  }),

  paging('letters that are all the same are on pages of one as often as they are there', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    await room.member(driver, { topics: [topic] })
    const [letter, ...others] = messages(topic, { count: 3 })
    assert.ok(letter)
    await buried(driver.admin, [letter, letter, ...others, letter])
    const found = (await pagesOf(driver.admin, { topic }, 1)).flat()
    assert.deepEqual(sorted(idsOf(found)), sorted([letter.id, letter.id, letter.id, ...idsOf(others)]))
    assert.equal((await pagesOf(driver.admin, { topic, ids: [letter.id] }, 2)).flat().length, 3)
  }),

  paging('a limit of nothing is a page of no letters, without a cursor', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    await room.member(driver, { topics: [topic] })
    await buriedInTurn(driver.admin, messages(topic, { count: 2 }))
    for (const limit of [0, -1, Number.NaN]) assert.deepEqual(await driver.admin.deadLetters({ topic }, { limit }), { letters: [] })
    const whole = await driver.admin.deadLetters({ topic }, { limit: Number.POSITIVE_INFINITY })
    assert.deepEqual([whole.letters.length, whole.next], [2, undefined])
  }),

  paging('what is no cursor of this broker is refused', async (room) => {
    const topic = room.topic()
    const { admin } = await room.connect()
    const others = [['another', 1], [room.target.name, { no: 'position' }], 'text']
    const cursors = ['nonsense', '', ...others.map((one) => Buffer.from(JSON.stringify(one)).toString('base64url'))]
    for (const after of cursors) await assert.rejects(admin.deadLetters({ topic }, { limit: 1, after }), isNoCursor)
  }),

  paging(
    'handed back in parts: as many together as were asked for, each after its turn, and none that is dead again meanwhile',
    async (room) => {
      const topic = room.topic()
      const driver = await room.connect()
      const again: Promise<void>[] = []
      const member = await room.member(driver, {
        topics: [topic],
        onDeliveries: (given) => void again.push(member.settle(given.map((delivery) => ({ kind: 'deadLetter', delivery, headers: {} })))),
      })
      const sent = messages(topic, { count: 5 })
      await buried(driver.admin, sent)
      const parts: number[] = []
      let turns = 0
      const replayed = await driver.admin.replay(
        { topic },
        {},
        {
          atOnce: 2,
          async turn() {
            turns++
            const handedBack = parts.reduce((sum, count) => sum + count, 0)
            // Each is dead again before the next ones go.
            await until(
              () => member.deliveries.length === handedBack,
              () => member.deliveries.length,
            )
            await Promise.all(again)
          },
          onReplayed: (count) => void parts.push(count),
        },
      )
      assert.equal(replayed, 5)
      assert.ok(Math.max(...parts) <= 2 && turns >= parts.length, `${parts} in ${turns} turns`)
      await until(
        () => member.deliveries.length === 5,
        () => member.deliveries.length,
      )
      await Promise.all(again)
      assert.deepEqual(sorted(idsOf((await driver.admin.deadLetters({ topic })).letters)), sorted(idsOf(sent)))
    },
  ),

  paging(
    'while a replay waits for its turn the letters that have not gone are listed, and one that is deleted then does not go',
    async (room) => {
      const topic = room.topic()
      const driver = await room.connect()
      const member = await room.member(driver, { topics: [topic], acknowledges: true })
      const sent = messages(topic, { count: 5 })
      await buriedInTurn(driver.admin, sent)
      const listed: number[] = []
      let gone: string | undefined
      const turn = async () => {
        const ids = idsOf((await driver.admin.deadLetters({ topic })).letters)
        listed.push(ids.length)
        if (listed.length !== 2) return
        gone = ids[0]
        // By somebody else.
        const { admin } = await room.connect()
        assert.equal(await admin.purge({ topic, ids: ids.slice(0, 1) }), 1)
      }
      assert.equal(await driver.admin.replay({ topic }, {}, { atOnce: 2, turn }), 4)
      assert.deepEqual(listed.slice(0, 2), [5, 3])
      const wanted = idsOf(sent).filter((id) => id !== gone)
      await until(
        () => member.deliveries.length >= wanted.length,
        () => member.ids(),
      )
      await quiet()
      assert.deepEqual(sorted(member.ids()), sorted(wanted))
      assert.equal((await driver.admin.depth(topic, 'g')).dead, 0)
    },
  ),

  paging(
    '20,000 letters are read and handed back, and never are more than some of them in memory',
    async (room) => {
      const topic = room.topic()
      const driver = await room.connect()
      const member = await room.member(driver, { topics: [topic] })
      await member.stop()
      for (let n = 0; n < MANY; n += AT_ONCE) await buried(driver.admin, messages(topic, { count: AT_ONCE, bytes: MANY_BYTES }))
      const seen = new Set<string>()
      const reading = await heldBy((look) =>
        eachPage(driver.admin, { topic }, async (letters) => {
          for (const { message } of letters) seen.add(message.id)
          if (seen.size % LOOK_EVERY === 0) look()
          return true
        }),
      )
      const replaying = await heldBy(async (look) => {
        let replayed = 0
        let looked = 0
        const onReplayed = (count: number) => {
          replayed += count
          if (replayed < looked + LOOK_EVERY) return
          looked = replayed
          look()
        }
        assert.equal(await driver.admin.replay({ topic }, {}, { onReplayed }), MANY)
      })
      assert.equal(seen.size, MANY)
      assert.equal((await driver.admin.depth(topic, 'g')).dead, 0)
      for (const bytes of [reading, replaying]) assert.ok(bytes < MOST_HELD_BYTES, `${bytes} bytes were held`)
    },
    { needs: durable, alone: true, timeoutMs: 180_000 },
  ),
]
