import assert from 'node:assert/strict'
import { HEADER } from '../../wire/headers.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import { asText, type Odd, oddMessages } from './odd.ts'
import { type Room, sorted } from './room.ts'
import { until } from './wait.ts'

const hostile = casesOf('Hostile messages')

const BATCH = 250
const PUSH = { seed: 1, count: 1_000 }
const SOAK = { seeds: [11, 12, 13], count: 100_000 }
const DOES = ['succeeds', 'fails once', 'fails always'] as const

/** What its handler does with it, call after call the same. */
const does = (n: number) => DOES[n % DOES.length]

export const hostileCases: readonly ConformanceCase[] = [
  hostile(
    'a thousand messages of whatever headers, names, ids, keys and bytes: each is handled or dead with its reason; none stays, and all letters can be handed back',
    (room) => survives(room, PUSH),
    { alone: true, timeoutMs: 180_000 },
  ),

  hostile(
    'a hundred thousand such messages, with each of three seeds',
    async (room) => {
      for (const seed of SOAK.seeds) await survives(room, { seed, count: SOAK.count })
    },
    { soak: true, alone: true, timeoutMs: 3_600_000 },
  ),
]

/** Half of them, a restart where there is one, and the other half. */
async function survives(room: Room, { seed, count }: { readonly seed: number; readonly count: number }): Promise<void> {
  const topic = room.topic()
  const handled = new Set<number>()
  let mended = false
  const service = () => {
    const messaging = room.messaging({ maxRetries: 1, retryDelayMs: 20, concurrency: 50 })
    messaging.handle({ topic, group: 'g', decode: 'bytes' }, (body: Uint8Array, { attempt }) => {
      const n = numberAt(body)
      if (!mended && (does(n) === 'fails always' || (does(n) === 'fails once' && attempt === 1))) throw new Error('no')
      handled.add(n)
    })
    return messaging
  }
  const first = service()
  await first.start()
  const half = Math.floor(count / 2)
  await write(room, topic, { seed, from: 0, count: half })
  await room.target.faults?.restart?.()
  await write(room, topic, { seed, from: half, count: count - half })

  const numbers = Array.from({ length: count }, (_, n) => n)
  const dead = numbers.filter((n) => does(n) === 'fails always')
  const { admin } = await first.driver()
  const seen = async () => ({ handled: handled.size, health: first.health(), depth: await admin.depth(topic, 'g') })
  const withinMs = 60_000 + count * 10
  await until(async () => (await admin.depth(topic, 'g')).dead >= dead.length && handled.size >= count - dead.length, seen, withinMs)
  await until(() => first.health().groups[0]?.unsettled === 0, seen)
  const wanted = (which: (n: number) => boolean) => sorted(numbers.filter(which).map(String))
  assert.deepEqual(
    sorted([...handled].map(String)),
    wanted((n) => does(n) !== 'fails always'),
  )
  // What was stored while the broker went down may be stored twice: none is missing, and none is another's.
  const found = async () => [
    ...new Set((await admin.deadLetters({ topic, group: 'g' })).map(({ message }) => String(numberAt(message.body)))),
  ]
  await until(async () => (await found()).length >= dead.length, seen, withinMs)
  assert.deepEqual(
    sorted(await found()),
    wanted((n) => does(n) === 'fails always'),
  )
  const letters = await admin.deadLetters({ topic, group: 'g' })
  for (const { message, group, at } of letters) {
    assert.equal(group, 'g')
    assert.ok(Number.isFinite(at) && Math.abs(Date.now() - at) < 3_600_000, `stored at ${at}`)
    assert.match(String(message.headers[HEADER.reason]), /^(failed|unstorable)$/)
    assert.match(String(message.headers[HEADER.attempt]), /^[12]$/)
  }
  const { live, ready, reasons } = first.health()
  assert.deepEqual([live, ready, reasons], [true, true, []])
  await first.close()

  mended = true
  handled.clear()
  const next = service()
  await next.start()
  assert.equal(await (await next.driver()).admin.replay({ topic, group: 'g' }, { [HEADER.attempt]: '1' }), letters.length)
  await until(
    () => handled.size >= dead.length,
    () => handled.size,
    withinMs,
  )
  assert.deepEqual(await (await next.driver()).admin.deadLetters({ topic, group: 'g' }), [])
}

async function write(room: Room, topic: string, { seed, from, count }: { seed: number; from: number; count: number }): Promise<void> {
  const { others } = room.target
  for (let done = 0; done < count; done += BATCH) {
    const odd = oddMessages({ seed, from: from + done, count: Math.min(BATCH, count - done) })
    if (others) await others.write(topic, odd)
    else await (await room.connect()).publish(odd.map((one) => ours(one, topic)))
  }
}

/** Where nobody else can write, as our own producer could: what is ours it refuses. */
function ours({ n, id, key, headers, body }: Odd, topic: string) {
  const texts = headers
    .filter(([name]) => !name.startsWith('corebus-'))
    .map(([name, value]) => [name, asText(value).toWellFormed()] as const)
  return { id: id ? `${id}-${n}` : `m${n}`, topic, ...(key !== undefined && { key }), headers: Object.fromEntries(texts), body }
}

function numberAt(body: Uint8Array): number {
  const [, n] = /#(\d+)$/.exec(Buffer.from(body).subarray(-12).toString('latin1')) ?? []
  return Number(n)
}
