import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { median } from '../measure.ts'
import { order } from '../payload.ts'
import { preload } from './bare.ts'
import { inTopic, preloadTopic } from './corebus.ts'
import { inQueue } from './room.ts'

const TIMES = 5
const MESSAGES = 20
const BYTES = 200

/** Ms from the start of a process to its first message handled, beside the same by hand; medians. */
export async function firstMessage(url: string): Promise<object> {
  const corebus: number[] = []
  const bare: number[] = []
  for (let n = 0; n < TIMES; n++) {
    await inTopic(url, async (topic) => {
      await preloadTopic(url, topic, BYTES, MESSAGES)
      corebus.push(await start('corebus.js', url, topic))
    })
    await inQueue(url, async (queue) => {
      await preload(url, queue, MESSAGES, () => Buffer.from(JSON.stringify(order(BYTES))))
      bare.push(await start('bare.js', url, queue))
    })
  }
  return {
    corebusMs: median(corebus),
    bareMs: median(bare),
    corebusRuns: corebus.map(Math.round),
    bareRuns: bare.map(Math.round),
    atMostMs: 300,
  }
}

async function start(entry: string, url: string, place: string): Promise<number> {
  const startedAt = performance.now()
  const child = fork(join(import.meta.dirname, 'starts', entry), [url, place], { execArgv: [] })
  let firstMs = 0
  let handled = 0
  child.on('message', () => {
    if (++handled === 1) firstMs = performance.now() - startedAt
    if (handled === MESSAGES) child.send('close')
  })
  await once(child, 'exit')
  return firstMs
}
