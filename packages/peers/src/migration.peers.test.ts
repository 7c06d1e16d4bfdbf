import { join } from 'node:path'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { command, eventually, nodePeer, python } from './kit.ts'
import { type Peer, startPeer } from './peer.ts'

const { rabbitmq, redis } = inject('brokers')
const installed = inject('installed')
const WORKER = join(import.meta.dirname, 'fixtures', 'worker.ts')
const CELERY = ['-m', 'celery', '-A', 'migration', 'worker', '-l', 'info', '--pool', 'solo', '--without-gossip', '--without-mingle']
/** No process here is given more messages ahead than this. */
const AHEAD = 20

interface Framework {
  readonly name: 'nest' | 'celery' | 'faststream'
  /** What they work on. */
  readonly source: string
  readonly env: Readonly<Record<string, string>>
  readonly worker: (name: string) => Peer
  readonly writer: () => Peer
  /** What its worker says when it is there. */
  readonly ready: string
  /** Hands on what a worker held when it ended, where the broker does not. */
  readonly freed?: (worker: string) => void
}

const ids = (peer: Peer, word: string): number[] =>
  [...peer.said().matchAll(new RegExp(`${word} (\\d+)$`, 'gm'))].map(([, id]) => Number(id))

/** Replaces two workers of theirs by two of ours, one process at a time, while messages come; the second is killed in the middle of what it does. */
async function replace({ name, source, env, worker, writer, ready, freed }: Framework): Promise<void> {
  const all: Peer[] = []
  const started = (peer: Peer) => {
    all.push(peer)
    onTestFinished(() => peer.stop())
    return peer
  }
  const ours = () => started(startPeer(process.execPath, [WORKER, source, name], { env: { ...env, LOG_LEVEL: 'silent' } }))
  const works = (peer: Peer) => eventually(() => ids(peer, 'DONE').length).toBeGreaterThan(40)

  const [first, second] = [started(worker('first')), started(worker('second'))]
  await first.line(ready)
  await second.line(ready)
  const writing = started(writer())
  await works(first)
  await works(second)
  await first.stop('SIGTERM')
  freed?.('first')
  const third = ours()
  await works(third)
  await second.stop('SIGKILL')
  freed?.('second')
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

describe('workers are replaced by ours, one process at a time, while messages come: nothing is lost, and twice is only what was in flight', () => {
  const onRabbitmq = { MESSAGING_BROKER: 'rabbitmq', RABBITMQ_URL: rabbitmq ?? '' }

  test.skipIf(!rabbitmq || !installed.node)('NestJS on a queue', { timeout: 120_000 }, () =>
    replace({
      name: 'nest',
      source: 'nest',
      env: onRabbitmq,
      worker: () => nodePeer('migration-worker', ['nest'], { env: onRabbitmq }),
      writer: () => nodePeer('migration-writer', ['nest'], { env: onRabbitmq }),
      ready: 'READY',
    }),
  )

  test.skipIf(!rabbitmq || !installed.python)('Celery on a queue', { timeout: 120_000 }, () => {
    const celery = { env: { ...onRabbitmq, QUEUE: 'tasks' } }
    return replace({
      name: 'celery',
      source: 'tasks',
      env: onRabbitmq,
      worker: (name) => python([...CELERY, '-n', `${name}@%h`], celery),
      writer: () => python(['migration_write.py'], celery),
      ready: 'ready.',
    })
  })

  test.skipIf(!redis || !installed.python)('FastStream in a consumer group of Redis', { timeout: 120_000 }, () => {
    const env = { MESSAGING_BROKER: 'redis', REDIS_URL: redis ?? '' }
    const cli = (...args: readonly string[]) => command('redis-cli', ['-u', redis ?? '', ...args]).trim()
    return replace({
      name: 'faststream',
      source: 'shop:tasks',
      env,
      worker: (name) => python(['migration_redis.py', name], { env }),
      writer: () => python(['migration_redis_write.py'], { env }),
      ready: 'READY',
      freed(worker) {
        const held = cli('XPENDING', 'shop:tasks', 'tasks', '-', '+', '1000', worker).match(/\d+-\d+/g) ?? []
        if (held.length > 0) cli('XCLAIM', 'shop:tasks', 'tasks', '~', '0', ...held)
      },
    })
  })
})
