import { describe, expect, test } from 'vitest'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { type Job, Lanes, type Rest } from './lanes.ts'

interface TestJob extends Job {
  readonly name: string
}

/** `a1` is in lane a; `-1` has no lane; `a1!` runs alone. */
function job(name: string): TestJob {
  const lane = name.startsWith('-') ? undefined : name[0]
  return { name, lane, alone: name.endsWith('!') }
}

class Bench {
  readonly clock = new VirtualClock()
  readonly started: string[] = []
  readonly held: number[] = []
  readonly lanes: Lanes<TestJob>
  readonly #open = new Map<string, (rest: Rest) => void>()

  constructor(concurrency: number) {
    this.lanes = new Lanes<TestJob>({
      concurrency,
      run: (job) => {
        this.started.push(job.name)
        return new Promise((resolve) => this.#open.set(job.name, resolve))
      },
      after: (ms, fn) => this.clock.after(ms, fn),
      onHeld: () => void this.held.push(this.lanes.held),
    })
  }

  push(...names: string[]): void {
    this.lanes.push(names.map(job))
  }

  async finish(name: string, rest?: Rest): Promise<void> {
    this.#open.get(name)?.(rest)
    this.#open.delete(name)
    await this.clock.settle()
  }

  get running(): string {
    return [...this.#open.keys()].sort().join(' ')
  }
}

test('runs at most so many at once, and the next when one has finished', async () => {
  const bench = new Bench(2)
  bench.push('a1', 'b1', 'c1', '-1')
  expect(bench.running).toBe('a1 b1')
  await bench.finish('b1')
  expect(bench.running).toBe('a1 c1')
  await bench.finish('a1')
  expect(bench.running).toBe('-1 c1')
  expect(bench.lanes.running).toBe(2)
})

test('runs one lane in order and one at a time; without a lane nothing waits', async () => {
  const bench = new Bench(10)
  bench.push('a1', 'a2', '-1', '-2', 'b1', 'a3')
  expect(bench.running).toBe('-1 -2 a1 b1')
  await bench.finish('a1')
  expect(bench.running).toBe('-1 -2 a2 b1')
  bench.push('a4')
  await bench.finish('a2')
  await bench.finish('a3')
  expect(bench.started.filter((name) => name.startsWith('a'))).toEqual(['a1', 'a2', 'a3', 'a4'])
})

test('keeps order through thousands of jobs', async () => {
  const bench = new Bench(1)
  const names = Array.from({ length: 2_500 }, (_, i) => `-${i}`)
  bench.push(...names)
  for (const name of names) await bench.finish(name)
  expect(bench.started).toEqual(names)
})

describe('alone', () => {
  test('waits until nothing runs, and nothing starts beside it', async () => {
    const bench = new Bench(10)
    bench.push('a1', 'b1!', 'c1')
    expect(bench.running).toBe('a1')
    await bench.finish('a1')
    expect(bench.running).toBe('b1!')
    await bench.finish('b1!')
    expect(bench.running).toBe('c1')
  })

  test('a quarter of a second at most: then the next begin, and one after another those that want to be alone', async () => {
    const bench = new Bench(3)
    bench.push('slow!', 'quick!', 'a1', 'b1', 'last!')
    await bench.clock.advance(249)
    expect(bench.running).toBe('slow!')
    await bench.clock.advance(1)
    expect(bench.running).toBe('quick! slow!')
    await bench.finish('quick!')
    expect(bench.running).toBe('a1 b1 slow!')
    await bench.finish('a1')
    await bench.clock.advance(10_000)
    expect(bench.running).toBe('b1 slow!')
    await bench.finish('b1')
    expect(bench.running).toBe('last! slow!')
    await bench.finish('slow!')
    bench.push('c1')
    expect(bench.running).toBe('last!')
    await bench.clock.advance(250)
    expect(bench.running).toBe('c1 last!')
    await bench.finish('last!')
    bench.push('next!')
    expect(bench.running).toBe('c1')
    await bench.finish('c1')
    expect(bench.running).toBe('next!')
  })

  test('is over with the job: of the next one it begins anew', async () => {
    const bench = new Bench(3)
    bench.push('one!', 'two!', 'a1')
    await bench.clock.advance(200)
    await bench.finish('one!')
    await bench.clock.advance(200)
    expect(bench.running).toBe('two!')
    await bench.clock.advance(50)
    expect(bench.running).toBe('a1 two!')
  })
})

describe('a lane that waits to run its job again', () => {
  test('keeps its place; other lanes go on, and no place to run is taken', async () => {
    const bench = new Bench(1)
    bench.push('a1', 'a2', 'b1')
    await bench.finish('a1', { againAfterMs: 1_000 })
    expect(bench.running).toBe('b1')
    await bench.finish('b1')
    bench.push('a3', 'c1')
    expect(bench.running).toBe('c1')
    await bench.finish('c1')
    await bench.clock.advance(999)
    expect(bench.running).toBe('')
    await bench.clock.advance(1)
    expect(bench.running).toBe('a1')
    await bench.finish('a1')
    expect(bench.running).toBe('a2')
  })

  test('counts what it holds, and tells when that changes', async () => {
    const bench = new Bench(5)
    bench.push('a1', 'a2', 'b1')
    expect(bench.lanes.held).toBe(0)
    await bench.finish('a1', { againAfterMs: 10 })
    bench.push('a3', '-1')
    expect(bench.lanes.held).toBe(3)
    await bench.clock.advance(10)
    expect(bench.held).toEqual([2, 3, 0])
  })
})

describe('drop', () => {
  const named =
    (...names: string[]) =>
    ({ name }: TestJob) =>
      names.includes(name)

  test('forgets what has not started, ready or in line; what runs goes on, and the line behind it too', async () => {
    const bench = new Bench(1)
    bench.push('a1', 'a2', 'a3', 'b1', 'b2', '-1')
    bench.lanes.drop(named('a1', 'a2', 'b1', '-1'))
    await bench.finish('a1')
    await bench.finish('a3')
    await bench.finish('b2')
    expect(bench.started).toEqual(['a1', 'b2', 'a3'])
  })

  test('frees the lane of a job that waits to run again', async () => {
    const bench = new Bench(2)
    bench.push('a1', 'a2')
    await bench.finish('a1', { againAfterMs: 1_000 })
    bench.lanes.drop(named('a1'))
    expect(bench.running).toBe('a2')
    await bench.clock.advance(5_000)
    expect(bench.started).toEqual(['a1', 'a2'])
  })

  test('a lane that was emptied takes new jobs', async () => {
    const bench = new Bench(1)
    bench.push('b1', 'a1', 'a2')
    bench.lanes.drop(named('a1', 'a2'))
    bench.push('a3')
    await bench.finish('b1')
    expect(bench.running).toBe('a3')
  })
})

describe('stop', () => {
  test('starts nothing any more; idle resolves when what runs has finished', async () => {
    const bench = new Bench(2)
    bench.push('a1', 'b1', 'c1')
    bench.lanes.stop()
    let idle = false
    const waiting = bench.lanes.idle().then(() => (idle = true))
    await bench.finish('a1')
    expect([bench.running, idle]).toEqual(['b1', false])
    await bench.finish('b1')
    await waiting
    bench.push('d1')
    expect(bench.started).toEqual(['a1', 'b1'])
  })

  test('a job that would run again does not, and does not keep it busy', async () => {
    const bench = new Bench(2)
    bench.push('a1', 'b1')
    await bench.finish('a1', { againAfterMs: 10 })
    bench.lanes.stop()
    await bench.finish('b1', { againAfterMs: 10 })
    await bench.lanes.idle()
    await bench.clock.advance(100)
    expect(bench.started).toEqual(['a1', 'b1'])
  })
})

describe('jobs that are done at once', () => {
  /** Each is told when it starts, and says what becomes of it. */
  function atOnce(concurrency: number, end: (name: string, lanes: Lanes<TestJob>) => Rest | Promise<Rest>) {
    const started: string[] = []
    const lanes: Lanes<TestJob> = new Lanes<TestJob>({
      concurrency,
      run(job) {
        started.push(job.name)
        return end(job.name, lanes)
      },
      after: () => () => {},
    })
    return { started, lanes, push: (...names: string[]) => lanes.push(names.map(job)) }
  }

  test('all run in one go, however many, also those that run alone', () => {
    const { started, lanes, push } = atOnce(1, () => undefined)
    const names = Array.from({ length: 20_000 }, (_, n) => (n % 3 === 0 ? 'a!' : `${'bc'[n % 2]}${n}`))
    push(...names)
    expect(started.toSorted()).toEqual(names.toSorted())
    expect(lanes.running).toBe(0)
  })

  test('what one of them pushes comes after those that were there', () => {
    const { started, push } = atOnce(2, (name) => {
      if (name === 'a1') push('a3', 'b1')
      return undefined
    })
    push('a1', 'a2', 'c1')
    expect(started).toEqual(['a1', 'c1', 'b1', 'a2', 'a3'])
  })

  test('one that is stopped by the first leaves the others where they are', async () => {
    const { started, lanes, push } = atOnce(2, (_, all) => {
      all.stop()
      return undefined
    })
    push('a1', 'b1')
    await lanes.idle()
    expect(started).toEqual(['a1'])
  })

  test('beside one that takes its time they go on', async () => {
    const slow = Promise.withResolvers<Rest>()
    const { started, lanes, push } = atOnce(2, (name) => (name === 's1' ? slow.promise : undefined))
    push('s1', 's2', 'a1', 'a2', 'b1')
    expect([started, lanes.running]).toEqual([['s1', 'a1', 'b1', 'a2'], 1])
    slow.resolve(undefined)
    await lanes.idle()
    expect(started).toContain('s2')
  })

  test('one that throws ends the process, and neither whoever has pushed it nor the others', async () => {
    const unheard = Promise.withResolvers<unknown>()
    const listeners = process.rawListeners('unhandledRejection') as ((reason: unknown) => void)[]
    process.removeAllListeners('unhandledRejection').once('unhandledRejection', unheard.resolve)
    const { started, push } = atOnce(2, (name) => {
      if (name === 'a1') throw new Error('a fault of ours')
      return undefined
    })
    push('a1', 'b1')
    push('c1')
    expect(await unheard.promise).toEqual(new Error('a fault of ours'))
    for (const listener of listeners) process.on('unhandledRejection', listener)
    expect(started).toEqual(['a1', 'b1', 'c1'])
  })
})
