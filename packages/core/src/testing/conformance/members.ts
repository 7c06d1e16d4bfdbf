import assert from 'node:assert/strict'
import type { Capabilities } from '../../driver.ts'
import { newId } from '../../wire/id.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import type { Room } from './room.ts'
import { quiet, until } from './wait.ts'

const knowing = casesOf('Members')

const EVENTS = 500
const PER_SECOND = 500
const RATE_MS = 20

interface Deploy {
  readonly handled: Map<number, number>
  readonly wrong: string[]
}

/** One version of a service: it handles these events of the topic, and no other. */
function version(room: Room, { topic, group }: { topic: string; group: string }, names: readonly string[], { handled, wrong }: Deploy) {
  const messaging = room.messaging({ service: 'rolling' })
  for (const name of names)
    messaging.on(name, { topic, group, maxRetries: 0 }, ({ data }, { attempt }) => {
      const { n } = data as { n: number }
      handled.set(n, (handled.get(n) ?? 0) + 1)
      if (attempt !== 1) wrong.push(`#${n} at attempt ${attempt}`)
    })
  return messaging
}

/** A driver may leave it out. */
function known({ members }: Capabilities): string | undefined {
  return members ? undefined : 'members of a group cannot know each other on this broker'
}

export const memberCases: readonly ConformanceCase[] = [
  knowing(
    'what a member says of itself is in the list of all until it is said anew, taken back, or too old',
    async (room) => {
      const [one, other] = [await room.connect(), await room.connect()]
      const group = `g-${newId()}`
      assert.ok(one.members && other.members, 'this driver keeps no notes of members')
      const listed = async () => [...((await other.members?.list(group)) ?? [])].map(({ member, note }) => `${member} ${note}`).sort()
      assert.deepEqual(await listed(), [])
      const long = 'ü'.repeat(20_000)
      await one.members.tell(group, 'a', 'first', 60_000)
      await one.members.tell(group, 'b', long, 60_000)
      await one.members.tell(`${group}2`, 'c', 'of another group', 60_000)
      assert.deepEqual(await listed(), ['a first', `b ${long}`])
      await one.members.tell(group, 'a', 'second', 60_000)
      await other.members.tell(group, 'd', 'short', 700)
      assert.deepEqual(await listed(), ['a second', `b ${long}`, 'd short'])
      await one.members.leave(group, 'b')
      await until(
        async () => (await listed()).length === 1,
        () => listed(),
      )
      assert.deepEqual(await listed(), ['a second'])
    },
    { needs: known },
  ),

  knowing(
    'after a restart of the broker the members know each other again',
    async (room) => {
      const [one, other] = [await room.connect(), await room.connect()]
      const group = `g-${newId()}`
      const listed = async () => [...((await other.members?.list(group)) ?? [])].map(({ member, note }) => `${member} ${note}`).sort()
      await one.members?.tell(group, 'a', 'before', 120_000)
      await other.members?.tell(group, 'b', 'before', 120_000)
      assert.deepEqual(await listed(), ['a before', 'b before'])
      await room.target.faults?.restart?.()
      const tellAgain = () =>
        one.members?.tell(group, 'a', 'after', 120_000).then(
          () => true,
          () => false,
        ) ?? false
      await until(tellAgain, () => 'it cannot tell')
      await until(
        async () => (await listed().catch(() => [])).join() === 'a after,b before',
        () => listed(),
      )
    },
    {
      needs: (capabilities, { faults }) => known(capabilities) ?? (faults?.restart ? undefined : 'this broker cannot be restarted here'),
      alone: true,
      timeoutMs: 120_000,
    },
  ),

  knowing(
    'a rolling deploy of two versions with different handlers: nothing is skipped, nothing dead, nothing handled twice',
    async (room) => {
      const place = { topic: room.topic(), group: `g-${newId()}` }
      const deploy: Deploy = { handled: new Map(), wrong: [] }
      const before = [version(room, place, ['kept', 'old'], deploy), version(room, place, ['kept', 'old'], deploy)]
      await Promise.all(before.map((one) => one.start()))
      const publisher = room.messaging()
      let n = 0
      let going = true
      const names = ['kept', 'old', 'new']
      let known = 2
      const publishing = (async () => {
        while (going || n < EVENTS) {
          const batch = Array.from({ length: (PER_SECOND * RATE_MS) / 1_000 }, () => n++)
          await Promise.all(
            batch.map((i) => publisher.publishEvent(names[i % known] as string, { n: i }, { topic: place.topic, key: i % 50 })),
          )
          await quiet(RATE_MS)
        }
      })()
      const after = [version(room, place, ['kept', 'old', 'new'], deploy), version(room, place, ['kept', 'old', 'new'], deploy)]
      await after[0]?.start()
      known = 3
      await quiet(1_000)
      await before[0]?.close()
      await after[1]?.start()
      await quiet(1_000)
      going = false
      await publishing
      const saw = () => [deploy.handled.size, n, [...before, ...after, publisher].map(({ counters }) => ({ ...counters }))]
      await until(() => deploy.handled.size === n, saw)
      await before[1]?.close()
      const all = [...before, ...after]
      assert.deepEqual(
        all.map(({ counters: { skipped, dead } }) => [skipped, dead]),
        all.map(() => [0, 0]),
      )
      assert.deepEqual(deploy.wrong, [])
      assert.deepEqual(
        [...deploy.handled].filter(([, times]) => times > 1),
        [],
      )
      const passedOn = all.reduce((sum, { counters }) => sum + counters.passedOn, 0)
      assert.ok(passedOn > 0, 'nothing came to a member that does not handle it: this proves nothing')
    },
    { needs: known },
  ),

  knowing(
    'two services with one group: the second is refused, and both are named; the first goes on',
    async (room) => {
      const place = { topic: room.topic(), group: `g-${newId()}` }
      const [orders, billing, allowed] = ['orders-api', 'billing-api', 'mail-api'].map((service) => room.messaging({ service }))
      assert.ok(orders && billing && allowed)
      const handled: string[] = []
      for (const [name, one] of Object.entries({ orders, billing })) one.handle(place, () => void handled.push(name))
      allowed.handle({ ...place, shared: true }, () => void handled.push('allowed'))
      await orders.start()
      await assert.rejects(billing.start(), { code: 'GROUP_SHARED', message: /billing-api .*orders-api / })
      await orders.getProducer().send(place.topic, 1)
      await until(
        () => handled.length === 1,
        () => handled,
      )
      assert.deepEqual(handled, ['orders'])
      await allowed.start()
    },
    { needs: known },
  ),
]
