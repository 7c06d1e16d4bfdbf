import { expect, test } from 'vitest'
import { Queue } from '../../collections/queue.ts'
import type { Delivery, Message } from '../../driver.ts'
import { Group } from './group.ts'
import { Member, Receipt } from './member.ts'

// The order of hand-outs is this group's own doing; on brokers it is the broker's, so it has no case in the conformance list.

function message(id: string, key?: string): Message {
  return { id, topic: 't', headers: {}, body: new Uint8Array(), ...(key !== undefined && { key }) }
}

function groupOf(...messages: readonly Message[]) {
  const group = new Group('t', 'g')
  group.start(new Queue())
  for (const one of messages) group.add({ message: one, at: 0 })
  return group
}

function memberOf(group: Group, limit: number) {
  const held: Delivery[] = []
  const seen: string[] = []
  const member = new Member(group, {
    exclusive: false,
    limit,
    onDeliveries(deliveries) {
      held.push(...deliveries)
      seen.push(...deliveries.map((delivery) => delivery.message.id))
    },
  })
  group.join(member)
  const settle = (id: string) => {
    const [delivery] = held.splice(
      held.findIndex((one) => one.message.id === id),
      1,
    )
    if (delivery?.receipt instanceof Receipt) group.settle(delivery.receipt, member)
  }
  return { member, seen, held, settle, ids: () => held.map((delivery) => delivery.message.id) }
}

test('members with room get equal shares', () => {
  const group = groupOf(...Array.from({ length: 90 }, (_, i) => message(`${i}`, `k${i}`)))
  const members = [memberOf(group, 100), memberOf(group, 100), memberOf(group, 10)]
  group.handOut()
  expect(members.map(({ held }) => held.length)).toEqual([40, 40, 10])
})

test('a key that is out stays with its member; when all of it is settled, the next goes to whoever has room', () => {
  const group = groupOf(message('1', 'a'), message('2', 'a'), message('3', 'a'), message('4', 'b'))
  const one = memberOf(group, 1)
  const two = memberOf(group, 3)
  group.handOut()
  expect([one.seen, two.seen]).toEqual([['1'], ['4']])
  group.handOut()
  expect(two.seen).toEqual(['4'])
  one.member.limit = 0
  one.settle('1')
  group.handOut()
  expect([one.seen, two.seen]).toEqual([['1'], ['4', '2', '3']])
})

test('a member that was alone keeps the keys it holds when another joins', () => {
  const group = groupOf(message('1', 'a'), message('2', 'a'))
  const one = memberOf(group, 1)
  group.handOut()
  const two = memberOf(group, 10)
  group.handOut()
  expect([one.ids(), two.ids()]).toEqual([['1'], []])
  one.settle('1')
  group.handOut()
  expect([...one.seen, ...two.seen]).toEqual(['1', '2'])
})

test('what is handed back comes first and in order, also what waited behind it', () => {
  const ids = ['1', '2', '3', '4', '5', '6']
  const group = groupOf(...ids.map((id) => message(id, 'a')))
  const one = memberOf(group, 2)
  const other = memberOf(group, 1)
  group.handOut()
  expect([one.ids(), other.ids()]).toEqual([['1', '2'], []])
  group.handBack(one.member)
  const two = memberOf(group, 10)
  group.leave(other.member)
  group.handOut()
  expect(two.seen).toEqual(ids)
})

test('the backlog of one key is not read further than the window of a member that waits', () => {
  const group = groupOf(...Array.from({ length: 10_000 }, (_, i) => message(`${i}`, 'a')))
  const busy = memberOf(group, 1)
  const idle = memberOf(group, 2)
  group.handOut()
  expect([busy.held.length, idle.held.length]).toEqual([1, 0])
  // 2 x 50 waiting in the lane, 9,899 still in the line; nothing is counted twice or lost.
  expect(group.ready).toBe(9_999)
  const seen = [...busy.ids()]
  for (let i = 0; i < 10_000; i++) {
    const holder = busy.held.length > 0 ? busy : idle
    holder.settle(holder.ids()[0] as string)
    group.handOut()
    if (busy.held.length > 0 && idle.held.length > 0) throw new Error('one key at two members')
    for (const id of [...busy.ids(), ...idle.ids()]) if (!seen.slice(-3).includes(id)) seen.push(id)
  }
  expect(seen).toEqual(Array.from({ length: 10_000 }, (_, i) => `${i}`))
})

test('a retry that is due does not wait behind the backlog', () => {
  const group = groupOf(...Array.from({ length: 100 }, (_, i) => message(`${i}`)))
  const one = memberOf(group, 1)
  group.handOut()
  group.addAgain({ message: message('again'), at: 0 })
  one.settle('0')
  group.handOut()
  expect(one.ids()).toEqual(['again'])
})
