import assert from 'node:assert/strict'
import { type ConformanceCase, casesOf, durable } from './case.ts'
import type { Child } from './child.ts'
import { idsOf, messages, type Room, sorted } from './room.ts'
import { quiet, until } from './wait.ts'

const crashing = casesOf('Time-out, stop and crash')
const consuming = casesOf('Consume')

const LIMIT = 5
/** How soon a member that was away must get something again. */
const BACK_MS = 15_000

/** A child and a member here share the work; the child is away for a while in the middle of it. */
async function away(room: Room, leave: (child: Child) => Promise<void>): Promise<void> {
  const topic = room.topic()
  const child = room.child('member', { topic, limit: LIMIT, does: 'ack', tookMs: 20 })
  const other = await room.member(await room.connect(), { topics: [topic], limit: LIMIT, acknowledges: true })
  await until(() => child.heard('ready').length > 0, child.trouble)
  const publisher = await room.connect()
  const sent = [...messages(topic, { count: 200, keys: 40 })]
  await publisher.publish(sent)
  await until(() => child.heard('settled').length >= LIMIT, child.trouble)

  await leave(child)

  // It is back when it gets what is published now.
  const before = child.heard('delivered').length
  const backBy = Date.now() + BACK_MS
  while (child.heard('delivered').length === before) {
    assert.ok(Date.now() < backBy, `the member got nothing within ${BACK_MS} ms of its return: ${child.trouble()}`)
    const more = messages(topic, { count: 20 })
    sent.push(...more)
    await publisher.publish(more)
    await quiet(100)
  }
  const handled = () => [...child.heard('settled').map(({ id }) => id), ...other.ids()]
  await until(
    () => new Set(handled()).size === sent.length,
    () => [new Set(handled()).size, sent.length],
  )
  await quiet()
  assert.deepEqual(sorted([...new Set(handled())]), sorted(idsOf(sent)))
  assert.ok(handled().length <= sent.length + LIMIT, `${handled().length} handled, of ${sent.length}`)
  assert.equal((await publisher.admin.depth(topic, 'g')).dead, 0)
}

function frozenFor(ms: number): (room: Room) => Promise<void> {
  return (room) =>
    away(room, async (child) => {
      child.signal('SIGSTOP')
      await quiet(ms)
      child.signal('SIGCONT')
    })
}

function blockedFor(ms: number): (room: Room) => Promise<void> {
  return (room) =>
    away(room, async (child) => {
      child.tell({ do: 'block', forMs: ms })
      await until(() => child.heard('unblocked').length > 0, child.trouble, ms + 10_000)
    })
}

export const frozenCases: readonly ConformanceCase[] = [
  crashing('a process frozen for 3 s and woken: none lost, at most what was in flight handled twice, and it is back', frozenFor(3_000), {
    needs: durable,
  }),
  crashing('a process frozen for 60 s and woken does not handle what others have done', frozenFor(60_000), {
    needs: durable,
    soak: true,
    timeoutMs: 180_000,
  }),
  consuming(
    'an event loop blocked for 3 s: none lost, at most what was in flight handled twice, the member back within 15 s',
    blockedFor(3_000),
    {
      needs: durable,
    },
  ),
  consuming(
    'an event loop blocked for 60 s: none lost, at most what was in flight handled twice, the member back within 15 s',
    blockedFor(60_000),
    {
      needs: durable,
      soak: true,
      timeoutMs: 180_000,
    },
  ),
]
