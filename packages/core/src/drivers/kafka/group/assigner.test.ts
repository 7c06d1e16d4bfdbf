import { describe, expect, test } from 'vitest'
import { loadLibrary } from '../protocol/client.ts'
import { assign, decodeShare, decodeWish, encodeShare, encodeWish, type Partitions, type Share, type Wish } from './assigner.ts'

await loadLibrary()

const wish = (id: string, topics: readonly string[], owned: Partitions = {}, rest: Partial<Wish> = {}): Wish => ({
  id,
  topics,
  owned,
  exclusive: false,
  since: 0,
  ...rest,
})
const twelve = () => 12
const all = Array.from({ length: 12 }, (_, partition) => partition)

function share(shares: ReadonlyMap<string, Share>, id: string): Share {
  const found = shares.get(id)
  if (!found) throw new Error(`no share for ${id}`)
  return found
}

describe('the leader of a group', () => {
  test('gives every member partitions of its own topics, each to one', () => {
    const shares = assign([wish('a', ['x']), wish('b', ['y']), wish('c', ['x', 'y'])], twelve)
    const of = (topic: string) => ['a', 'b', 'c'].flatMap((id) => share(shares, id).partitions[topic] ?? [])
    expect(of('x').toSorted((p, q) => p - q)).toEqual(all)
    expect(of('y').toSorted((p, q) => p - q)).toEqual(all)
    expect(share(shares, 'a').partitions.y).toBeUndefined()
    expect([share(shares, 'a').partitions.x?.length, share(shares, 'c').partitions.x?.length]).toEqual([6, 6])
  })

  test('takes nothing from one hand into another in the same round: what is owned must be given up first', () => {
    const first = assign([wish('a', ['x'], { x: all }), wish('b', ['x'])], twelve)
    expect(share(first, 'a')).toEqual({ partitions: { x: [0, 1, 2, 3, 4, 5] }, unfinished: false, taken: false })
    expect(share(first, 'b')).toEqual({ partitions: {}, unfinished: true, taken: false })
    const second = assign([wish('a', ['x'], { x: [0, 1, 2, 3, 4, 5] }), wish('b', ['x'])], twelve)
    expect(share(second, 'b')).toEqual({ partitions: { x: [6, 7, 8, 9, 10, 11] }, unfinished: false, taken: false })
  })

  test('leaves a member those that it names first: the ones with the most to do', () => {
    const shares = assign([wish('a', ['x'], { x: [11, 7, 0, 1, 2, 3, 4, 5, 6, 8, 9, 10] }), wish('b', ['x'])], twelve)
    expect(share(shares, 'a').partitions.x?.slice(0, 2)).toEqual([11, 7])
  })

  test('what a leaving member still has goes to nobody, and the rest to those that stay', () => {
    const shares = assign([wish('a', [], { x: [3] }), wish('b', ['x'], { x: [0, 1] })], () => 4)
    expect(share(shares, 'a').partitions).toEqual({})
    expect(share(shares, 'b')).toEqual({ partitions: { x: [0, 1, 2] }, unfinished: true, taken: false })
  })

  test('with more members than partitions some have none, and are not kept waiting', () => {
    const shares = assign([wish('a', ['x'], { x: [0] }), wish('b', ['x'])], () => 1)
    expect(share(shares, 'b')).toEqual({ partitions: {}, unfinished: false, taken: false })
  })

  test('of those that want to be alone the first is', () => {
    const shares = assign(
      [wish('b', ['x'], {}, { exclusive: true, since: 2 }), wish('a', ['x'], {}, { exclusive: true, since: 1 })],
      twelve,
    )
    expect([share(shares, 'a').partitions.x?.length, share(shares, 'a').taken]).toEqual([12, false])
    expect([share(shares, 'b').partitions.x, share(shares, 'b').taken]).toEqual([undefined, true])
  })

  test('a topic that is gone keeps nobody from the others', () => {
    const shares = assign([wish('a', ['gone', 'x'])], (topic) => (topic === 'x' ? 2 : 0))
    expect(share(shares, 'a').partitions).toEqual({ x: [0, 1] })
  })
})

test('wishes and shares travel as any consumer of Kafka writes them', () => {
  const told = wish('a', ['x', 'y'], { x: [2, 1] }, { exclusive: true, since: 7 })
  expect(decodeWish('a', encodeWish(told))).toEqual(told)
  const given: Share = { partitions: { x: [2, 1], y: [0] }, unfinished: true, taken: false }
  expect(decodeShare(encodeShare(given))).toEqual(given)
  expect(decodeShare(Buffer.alloc(0))).toEqual({ partitions: {}, unfinished: false, taken: false })
})
