import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { VirtualClock } from '../../testing/virtual-clock.ts'
import { Publisher } from './publisher.ts'
import type { Target } from './target.ts'

const target: Target = { exchange: 't', routingKey: 't', remake: async () => {}, whyRefused: async () => new Error('no') }

test('what timed out while there was no connection is not kept until there is one', async () => {
  const clock = new VirtualClock()
  const publisher = new Publisher({ clock, timeoutMs: 1_000 })
  const bodies: WeakRef<Buffer>[] = []
  for (let round = 0; round < 5; round++) {
    const stored = Array.from({ length: 10 }, () => {
      const body = Buffer.alloc(100_000)
      bodies.push(new WeakRef(body))
      return publisher.store(target, { body, properties: {} }).catch(({ code }) => code)
    })
    await clock.advance(1_000)
    expect(await Promise.all(stored)).toEqual(stored.map(() => 'PUBLISH_TIMEOUT'))
  }
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  await clock.settle()
  expect(bodies.filter((ref) => ref.deref()).length).toBeLessThanOrEqual(20)
})
