import { join } from 'node:path'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { eventually, nodePeer, python } from './kit.ts'
import { type Peer, startPeer } from './peer.ts'

const url = inject('brokers').rabbitmq
const installed = inject('installed')
const WORKER = join(import.meta.dirname, 'fixtures', 'worker.ts')
const CELERY = ['-m', 'celery', '-A', 'migration', 'worker', '-l', 'info', '--pool', 'solo', '--without-gossip', '--without-mingle']
/** No process here is given more messages ahead than this. */
const AHEAD = 20

interface Framework {
  readonly queue: string
  readonly worker: (name: string) => Peer
  readonly writer: () => Peer
  /** What its worker says when it is there. */
  readonly ready: string
}

const ids = (peer: Peer, word: string): number[] =>
  [...peer.said().matchAll(new RegExp(`${word} (\\d+)$`, 'gm'))].map(([, id]) => Number(id))

/** Replaces two workers of theirs by two of ours, one process at a time, while messages come; the second is killed in the middle of what it does. */
async function replace({ queue, worker, writer, ready }: Framework): Promise<void> {
  const all: Peer[] = []
  const started = (peer: Peer) => {
    all.push(peer)
    onTestFinished(() => peer.stop())
    return peer
  }
  const env = { RABBITMQ_URL: url ?? '', LOG_LEVEL: 'silent' }
  const ours = () => started(startPeer(process.execPath, [WORKER, queue, queue], { env }))
  const works = (peer: Peer) => eventually(() => ids(peer, 'DONE').length).toBeGreaterThan(40)

  const [first, second] = [started(worker('first')), started(worker('second'))]
  await first.line(ready)
  await second.line(ready)
  const writing = started(writer())
  await works(first)
  await works(second)
  await first.stop('SIGTERM')
  const third = ours()
  await works(third)
  await second.stop('SIGKILL')
  const fourth = ours()
  await works(fourth)
  await writing.stop('SIGTERM')

  const [sent = 0] = ids(writing, 'ALL')
  expect(sent).toBeGreaterThan(200)
  const done = () => all.flatMap((peer) => ids(peer, 'DONE'))
  await eventually(() => new Set(done()).size).toBe(sent)
  const times = new Map<number, number>()
  for (const id of done()) times.set(id, (times.get(id) ?? 0) + 1)
  const twice = [...times].filter(([, count]) => count > 1).map(([id]) => id)
  // What a process that ended had begun and not acknowledged is among the last that it began.
  const inFlight = new Set([first, second].flatMap((peer) => ids(peer, 'BEGIN').slice(-AHEAD)))
  expect(twice.filter((id) => !inFlight.has(id))).toEqual([])
  for (const peer of [third, fourth]) {
    await peer.stop('SIGTERM')
    expect(ids(peer, 'BEGIN').length).toBe(ids(peer, 'DONE').length)
  }
}

describe.skipIf(!url)(
  'workers are replaced by ours, one process at a time, while messages come: nothing is lost, and twice is only what was in flight',
  () => {
    const env = { RABBITMQ_URL: url ?? '' }

    test.skipIf(!installed.node)('NestJS', { timeout: 120_000 }, () =>
      replace({
        queue: 'nest',
        worker: () => nodePeer('migration-worker', ['nest'], { env }),
        writer: () => nodePeer('migration-writer', ['nest'], { env }),
        ready: 'READY',
      }),
    )

    test.skipIf(!installed.python)('Celery', { timeout: 120_000 }, () => {
      const celery = { env: { ...env, QUEUE: 'tasks' } }
      return replace({
        queue: 'tasks',
        worker: (name) => python([...CELERY, '-n', `${name}@%h`], celery),
        writer: () => python(['migration_write.py'], celery),
        ready: 'ready.',
      })
    })
  },
)
