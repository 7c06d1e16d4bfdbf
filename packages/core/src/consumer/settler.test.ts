import { expect, test } from 'vitest'
import type { Delivery, Settlement, Subscription } from '../driver.ts'
import { SettleError } from '../errors.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { Settler } from './settler.ts'

function ack(id: string): { settlement: Settlement } {
  const delivery: Delivery = { message: { id, topic: 't', headers: {}, body: new Uint8Array() }, unsettledBefore: 0, receipt: undefined }
  return { settlement: { kind: 'ack', delivery } }
}

const idsOf = (settlements: readonly Settlement[]) => settlements.map(({ delivery }) => delivery.message.id).join(' ')

/** Each call of the broker is answered by the next of `answers`; then it is fine. */
function settlerWith(answers: ((settlements: readonly Settlement[]) => Promise<void>)[] = [], subscription?: Promise<void>) {
  const clock = new VirtualClock()
  const calls: string[] = []
  const settled: string[] = []
  const instead = new Map<string, { readonly settlement: Settlement }>()
  const troubles: [message: string, count: number, again: boolean][] = []
  const broker: Subscription = {
    settle: async (settlements) => {
      calls.push(idsOf(settlements))
      await answers.shift()?.(settlements)
    },
    limit: () => undefined,
    stop: async () => undefined,
  }
  const settler = new Settler<{ settlement: Settlement }>({
    subscription: () => subscription?.then(() => broker) ?? broker,
    clock,
    onSettled: (batch) => settled.push(idsOf(batch.map(({ settlement }) => settlement))),
    onRefused(one) {
      const less = instead.get(idsOf([one.settlement]))
      if (less) Object.assign(one, less)
      return less !== undefined
    },
    onTrouble: (error, count, again) => troubles.push([error.message, count, again]),
  })
  return { settler, clock, calls, settled, troubles, instead }
}

const refused = () => Promise.reject(new Error('no broker'))

test('what comes together is settled together, and one batch is out at a time', async () => {
  const held = Promise.withResolvers<void>()
  const { settler, clock, calls, settled } = settlerWith([() => held.promise])
  settler.settle(ack('1'))
  settler.settle(ack('2'))
  await clock.settle()
  settler.settle(ack('3'))
  settler.settle(ack('4'))
  await clock.settle()
  expect([calls, settled]).toEqual([['1 2'], []])
  held.resolve()
  await clock.settle()
  expect([calls, settled]).toEqual([
    ['1 2', '3 4'],
    ['1 2', '3 4'],
  ])
})

test('a batch that takes long holds up nothing: another goes beside it, and so on up to eight', async () => {
  const held = Promise.withResolvers<void>()
  const { settler, clock, calls, settled } = settlerWith(Array.from({ length: 8 }, () => () => held.promise))
  settler.settle(ack('1'))
  await clock.settle()
  settler.settle(ack('2'))
  await clock.advance(199)
  expect(calls).toEqual(['1'])
  await clock.advance(1)
  expect(calls).toEqual(['1', '2'])
  for (let n = 3; n <= 10; n++) {
    settler.settle(ack(`${n}`))
    await clock.advance(400)
  }
  expect(calls).toEqual(['1', '2', '3', '4', '5', '6', '7', '8'])
  held.resolve()
  await settler.drain()
  expect(settled.toSorted()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9 10'])
})

test('what waits when nothing more comes does not wait for a batch that takes long', async () => {
  const held = Promise.withResolvers<void>()
  const { settler, clock, settled } = settlerWith([() => held.promise])
  settler.settle(ack('1'))
  await clock.advance(50)
  settler.settle(ack('2'))
  await clock.advance(400)
  expect(settled).toEqual(['2'])
  held.resolve()
  await settler.drain()
})

test('what failed is tried again, later and later; what comes meanwhile does not wait for it; trouble is told once', async () => {
  const { settler, clock, calls, settled, troubles } = settlerWith([refused, async () => {}, refused, refused])
  settler.settle(ack('1'))
  await clock.settle()
  settler.settle(ack('2'))
  await clock.advance(199)
  expect([calls, settled]).toEqual([['1', '2'], ['2']])
  await clock.advance(1)
  expect(calls).toEqual(['1', '2', '1'])
  await clock.advance(400 + 800)
  expect(calls).toEqual(['1', '2', '1', '1', '1'])
  expect([settled, troubles]).toEqual([['2', '1'], [['no broker', 1, true]]])
})

test('what fails while others succeed is tried again later each time, and is one trouble', async () => {
  const answers = Array.from({ length: 40 }, () => async (settlements: readonly Settlement[]) => {
    const failing = settlements.filter(({ delivery }) => delivery.message.id === 'bad').map(({ delivery }) => delivery)
    if (failing.length > 0) throw new SettleError(failing, new Error('no leader'))
  })
  const { settler, clock, calls, troubles } = settlerWith(answers)
  settler.settle(ack('bad'))
  for (let n = 0; n < 30; n++) {
    settler.settle(ack(`${n}`))
    await clock.advance(100)
  }
  expect(calls.filter((ids) => ids.includes('bad'))).toHaveLength(5) // at 0, 200, 600, 1400 and 3000 ms
  expect(troubles).toHaveLength(1)
})

test('what is refused in every form is tried again later each time, without a word; what fails meanwhile is tried again as soon as ever', async () => {
  const answers = Array.from({ length: 40 }, () => async (settlements: readonly Settlement[]) => {
    const refused = settlements.filter(({ delivery }) => delivery.message.id === 'bad').map(({ delivery }) => delivery)
    if (refused.length > 0)
      throw new SettleError(refused, new Error('too large'), new Map(refused.map((delivery) => [delivery, new Error('too large')])))
  })
  const { settler, clock, calls, settled, troubles } = settlerWith(answers)
  settler.settle(ack('bad'))
  for (let n = 0; n < 30; n++) {
    settler.settle(ack(`${n}`))
    await clock.advance(100)
  }
  expect(calls.filter((ids) => ids.includes('bad'))).toHaveLength(5)
  expect(troubles).toEqual([])
  answers.splice(0, answers.length, refused)
  settler.settle(ack('later'))
  await clock.advance(300)
  expect([settled.at(-1), troubles]).toEqual(['later', [['no broker', 1, true]]])
  answers.length = 0
  await clock.advance(10_000)
  expect(settled.at(-1)).toBe('bad')
})

const refuse = async (settlements: readonly Settlement[]) => {
  const [{ delivery }] = settlements as [Settlement]
  throw new SettleError([delivery], new Error('too large'), new Map([[delivery, new Error('too large')]]))
}

test('what is refused for good is asked for in another form at once; without one it is tried again', async () => {
  const { settler, clock, calls, settled, troubles, instead } = settlerWith([refuse, refuse])
  instead.set('1', ack('1, smaller'))
  settler.settle(ack('1'))
  settler.settle(ack('2'))
  await clock.settle()
  expect([calls, settled, troubles]).toEqual([['1 2', '1, smaller'], ['2'], []])
  await clock.advance(200)
  expect(settled).toEqual(['2', '1, smaller'])
})

test('of a batch that was stored in part only the rest is tried again, and the part is settled', async () => {
  const { settler, clock, calls, settled } = settlerWith([
    async (settlements) => {
      throw new SettleError([settlements[1]?.delivery as Delivery], new Error('full'))
    },
  ])
  settler.settle(ack('1'))
  settler.settle(ack('2'))
  settler.settle(ack('3'))
  await clock.advance(1_000)
  expect(calls).toEqual(['1 2 3', '2'])
  expect(settled).toEqual(['1 3', '2'])
})

test('what is handled before the subscription is there waits for it', async () => {
  const subscribed = Promise.withResolvers<void>()
  const { settler, clock, calls } = settlerWith([], subscribed.promise)
  settler.settle(ack('1'))
  await clock.settle()
  expect(calls).toEqual([])
  subscribed.resolve()
  await clock.settle()
  expect(calls).toEqual(['1'])
})

test('drain resolves when all is settled', async () => {
  const held = Promise.withResolvers<void>()
  const { settler, clock, settled } = settlerWith([() => held.promise])
  settler.settle(ack('1'))
  let drained = false
  const draining = settler.drain().then(() => (drained = true))
  await clock.settle()
  expect(drained).toBe(false)
  held.resolve()
  await draining
  expect(settled).toEqual(['1'])
  await settler.drain()
})

test('drain gives up what fails: it stays with the broker', async () => {
  const { settler, clock, calls, settled } = settlerWith([refused, refused, refused, refused])
  settler.settle(ack('1'))
  await clock.settle()
  await settler.drain()
  expect([calls, settled]).toEqual([['1', '1'], []])
})

test('what is given up is not said to be settled: a driver that closes gives back what is out, and would skip what came after', async () => {
  const held = Promise.withResolvers<void>()
  const { settler, clock, calls, settled, troubles } = settlerWith([() => held.promise])
  settler.settle(ack('1'))
  await clock.settle()
  settler.settle(ack('2'))
  settler.giveUp()
  held.resolve()
  await settler.drain()
  await clock.settle()
  expect([calls, settled, troubles]).toEqual([['1'], [], []])
})

test('at the end it is told what comes again', async () => {
  const { settler, clock, troubles } = settlerWith([refused, refused])
  settler.settle(ack('1'))
  await clock.settle()
  settler.settle(ack('2'))
  await settler.drain()
  expect(troubles).toEqual([
    ['no broker', 1, true],
    ['no broker', 2, false],
  ])
})
