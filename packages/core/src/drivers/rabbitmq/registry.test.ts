import { expect, test } from 'vitest'
import { VirtualClock } from '../../testing/virtual-clock.ts'
import type { Declarer } from './declare.ts'
import { type Entry, Registry } from './registry.ts'

const TOPIC: Entry = { kind: 'topic', topic: 'orders' }

/** A stream of a broker that may be slow: with `silent` it hands out nothing, whatever it has. */
function stream() {
  const stored: Buffer[] = []
  const state = { counted: 0, silent: false, collects: 0 }
  type Hand = (message: unknown) => void
  const channel = {
    prefetch: async () => {},
    ack: () => {},
    async consume(
      _: string,
      hand: Hand,
      { arguments: { 'x-stream-offset': from } }: { arguments: { 'x-stream-offset': number | 'last' } },
    ) {
      state.collects++
      if (state.silent) return
      const first = from === 'last' ? stored.length - 1 : from
      for (const [offset, content] of stored.entries())
        if (offset >= first) hand({ content, properties: { headers: { 'x-stream-offset': offset } } })
    },
  }
  const declarer = {
    count: async () => ({ ready: state.counted, consumers: 0 }),
    read: (work: (one: typeof channel) => unknown) => work(channel),
    run: async () => {},
  }
  const clock = new VirtualClock()
  const append = async (body: Buffer) => void stored.push(body)
  const registry = () => new Registry({ declarer: declarer as unknown as Declarer, queue: 'corebus:registry', clock, append })
  return { state, clock, registry }
}

test('a stream that hands out nothing has not lost what it had: it is asked again, and goes on where it was', async () => {
  const { state, clock, registry } = stream()
  const one = registry()
  await one.add([TOPIC])
  const first = one.entries()
  await clock.advance(1_000)
  expect(await first).toEqual([TOPIC])
  Object.assign(state, { silent: true, counted: 1 })
  const second = one.entries()
  await clock.advance(7_000)
  state.silent = false
  await clock.advance(7_000)
  expect(await second).toEqual([TOPIC])
})

test('what is not handed out for half a minute is an error, and never an empty list', async () => {
  const { state, clock, registry } = stream()
  await registry().add([TOPIC])
  Object.assign(state, { silent: true, counted: 1 })
  const entries = expect(registry().entries()).rejects.toMatchObject({
    code: 'CONNECTION_LOST',
    message: 'RabbitMQ has not handed out what is in queue corebus:registry within 30 s',
  })
  await clock.advance(40_000)
  await entries
})

test('a stream that was counted since it hands out nothing, and has nothing, is empty', async () => {
  const { clock, registry } = stream()
  const entries = registry().entries()
  await clock.advance(6_000)
  expect(await entries).toEqual([])
})
