import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { preloadTopic, type Room } from './corebus.ts'
import { median } from './measure.ts'

const TIMES = 5
const MESSAGES = 20
const LOAD = { bytes: 200, count: MESSAGES }

/** The same by hand. */
export interface Bare {
  /** A file of the broker's folder. Told where its broker is and what to read, it says so of every message it has handled. */
  readonly entry: string
  inPlace(load: typeof LOAD, work: (place: string) => Promise<void>): Promise<void>
}

/** Ms from the start of a process to its first message handled, beside the same by hand; medians. */
export async function firstMessage(room: Room, bare: Bare): Promise<object> {
  const corebusRuns: number[] = []
  const bareRuns: number[] = []
  for (let n = 0; n < TIMES; n++) {
    await room.inTopic(async (topic) => {
      await preloadTopic(room, topic, LOAD)
      corebusRuns.push(await start('starts/corebus.js', [room.url, topic, room.broker]))
    })
    await bare.inPlace(LOAD, async (place) => {
      bareRuns.push(await start(bare.entry, [room.url, place]))
    })
  }
  return {
    corebusMs: median(corebusRuns),
    bareMs: median(bareRuns),
    corebusRuns: corebusRuns.map(Math.round),
    bareRuns: bareRuns.map(Math.round),
    atMostMs: 300,
  }
}

async function start(entry: string, args: readonly string[]): Promise<number> {
  const startedAt = performance.now()
  const child = fork(join(import.meta.dirname, entry), args, { execArgv: [] })
  let firstMs = 0
  let handled = 0
  child.on('message', () => {
    if (++handled === 1) firstMs = performance.now() - startedAt
    if (handled === MESSAGES) child.send('close')
  })
  await once(child, 'exit')
  return firstMs
}
