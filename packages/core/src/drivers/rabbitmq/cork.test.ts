import { Duplex } from 'node:stream'
import type { ChannelModel } from 'amqplib'
import { expect, test } from 'vitest'
import { corkFor } from './cork.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('what the client hands over in one turn leaves in one write, in order, and the next turn is not kept waiting for it', async () => {
  const writes: string[] = []
  const stream = new Duplex({
    read() {},
    write(chunk, _, done) {
      writes.push(String(chunk))
      done()
    },
    writev(chunks, done) {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join(' '))
      done()
    },
  })
  const cork = corkFor({ connection: { stream } } as unknown as ChannelModel)
  for (const round of ['a', 'b']) {
    for (const n of [1, 2, 3]) {
      cork()
      setImmediate(() => stream.write(`${round}${n}`))
    }
    await turn()
    await turn()
    await turn()
  }
  stream.write('heartbeat')
  expect(writes).toEqual(['a1 a2 a3', 'b1 b2 b3', 'heartbeat'])
})
