import { expect, test } from 'vitest'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { type ConnectingOptions, comeBack, connectWithin } from './connecting.ts'

function connectingOn(clock: VirtualClock) {
  const closing = new AbortController()
  const options: ConnectingOptions = {
    clock,
    closing: closing.signal,
    isHopeless: (thrown) => (thrown as Error).message === 'wrong password',
    unreachable: (thrown) => new Error(`cannot connect: ${(thrown as Error).message}`),
    closed: () => new Error('closed'),
    waitMs: (n) => 100 * n,
  }
  return { closing, options }
}

test.each([
  ['when the time is over', 'refused', 'cannot connect: refused', [0, 100, 250]],
  ['at once where nothing helps', 'wrong password', 'cannot connect: wrong password', [0]],
])('a first connection that fails ends %s', async (_, why, told, at) => {
  const clock = new VirtualClock(0)
  const tries: number[] = []
  const connect = async () => {
    tries.push(clock.now())
    throw new Error(why)
  }
  const connecting = connectWithin(connect, 250, connectingOn(clock).options).catch(({ message }: Error) => message)
  await clock.advance(1_000)
  expect([await connecting, tries]).toEqual([told, at])
})

test('a lost connection comes back however long that takes, and what needs somebody is said each time', async () => {
  const clock = new VirtualClock(0)
  const tries: number[] = []
  const said: string[] = []
  const connect = async () => {
    tries.push(clock.now())
    if (tries.length === 2) throw new Error('wrong password')
    if (tries.length < 4) throw new Error('refused')
  }
  const onHopeless = ({ message }: Error) => said.push(message)
  const back = comeBack(connect, { ...connectingOn(clock).options, afterLoss: true, onHopeless })
  await clock.advance(5_000)
  await back
  expect([tries, said]).toEqual([[100, 300, 600, 1_000], ['cannot connect: wrong password']])
})

test('a close in the moment that the server is given ends it before the first try', async () => {
  const clock = new VirtualClock(0)
  const { closing, options } = connectingOn(clock)
  let tries = 0
  const back = comeBack(async () => tries++, { ...options, afterLoss: true, onHopeless: () => {} })
  await clock.advance(50)
  closing.abort()
  await back
  expect(tries).toBe(0)
})

test('after a close no connection is tried any more, and nothing is said', async () => {
  const clock = new VirtualClock(0)
  const { closing, options } = connectingOn(clock)
  const tries: number[] = []
  const said: string[] = []
  const connect = async () => {
    tries.push(clock.now())
    throw new Error('wrong password')
  }
  const back = comeBack(connect, { ...options, afterLoss: false, onHopeless: ({ message }) => said.push(message) })
  await clock.advance(50)
  closing.abort()
  await clock.advance(5_000)
  await back
  expect([tries, said.length]).toEqual([[0], 1])
})
