import { type BrokerName, broker } from '@corebus/testbed'
import type { TargetOn } from '../../packages/core/src/drivers/fixtures/list.ts'
import { clusterMutations } from '../../packages/core/src/drivers/kafka/fixtures/mutations.ts'
import { targetOfOne, targetOfThree } from '../../packages/core/src/drivers/kafka/fixtures/target.ts'
import { targetOn as onRabbitmq } from '../../packages/core/src/drivers/rabbitmq/fixtures/target.ts'
import { targetOn as onRedis } from '../../packages/core/src/drivers/redis/fixtures/target.ts'
import { described, type Ledger } from '../../packages/core/src/testing/conformance/chaos/ledger.ts'
import { ledgerOf, mutationsOf, whyBad, whyUnproved } from '../../packages/core/src/testing/conformance/chaos.ts'
import type { ConformanceTarget, Mutation } from '../../packages/core/src/testing/conformance/index.ts'
import { openRoom } from '../../packages/core/src/testing/conformance/room.ts'

export interface Line {
  readonly text: string
  readonly failed: boolean
}

export interface SoakOptions {
  readonly seeds: readonly number[]
  /** Pieces of what a run is called, "minute" among them. Default: all of them. */
  readonly only?: readonly string[]
  /** Told of each run when it is over: they take long. */
  readonly onLine: (line: Line) => void
}

type Options = Omit<Parameters<typeof ledgerOf>[1], 'seed'>

interface Place {
  readonly target: ConformanceTarget
  readonly mutations: readonly Mutation[]
  /** After each run. */
  readonly forget?: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Where chaos can be had, on brokers of its own that may be killed. */
const PLACES: Readonly<Record<string, () => Promise<Place | undefined>>> = {
  rabbitmq: () => placeOn('rabbitmq', onRabbitmq),
  redis: () => placeOn('redis', onRedis),
  async kafka() {
    const one = await targetOfOne()
    return one && { ...one, mutations: mutationsOf(one) }
  },
  async 'kafka-cluster'() {
    const three = await targetOfThree()
    return three && { ...three, mutations: clusterMutations }
  },
}

async function placeOn(name: BrokerName, targetOn: TargetOn): Promise<Place | undefined> {
  const running = await broker(name, { own: true, required: true })
  if (!running) return undefined
  const { target, close } = await targetOn(running)
  return { target, mutations: mutationsOf({ target }), close: () => close().finally(running.stop) }
}

/** A minute of chaos with each seed, and every mutation with each: with the safeguard in place all must be well, and without it not. */
export async function chaosOn(name: string, { seeds, only, onLine }: SoakOptions): Promise<readonly Line[]> {
  const open = Object.hasOwn(PLACES, name) ? PLACES[name] : undefined
  if (!open) throw new Error(`no chaos on ${name}; there is: ${Object.keys(PLACES).join(', ')}`)
  const place = await open()
  if (!place) throw new Error(`no ${name} here`)
  const { target, mutations, forget, close } = place
  const lines: Line[] = []
  const tell = async (run: Promise<Line>) => {
    // One that breaks down is a result too, and the others go on.
    const line = await run.catch((error: unknown) => ({ text: `FAILED ${error}`, failed: true }))
    await forget?.()
    lines.push(line)
    onLine(line)
  }
  try {
    const wanted = (what: string) => only === undefined || only.some((piece) => what.includes(piece))
    for (const seed of wanted('minute') ? seeds : []) await tell(well(target, `seed ${seed}`, seed))
    for (const mutation of mutations.filter(({ name }) => wanted(name)))
      for (const seed of seeds) {
        await tell(well(target, `"${mutation.name}" in place, seed ${seed}`, seed, mutation.chaos))
        await tell(wrong(target, mutation, seed))
      }
  } finally {
    await close()
  }
  return lines
}

async function timed(target: ConformanceTarget, seed: number, options: Options): Promise<{ ledger: Ledger; seconds: number }> {
  const room = openRoom(target)
  const startedAt = performance.now()
  try {
    const ledger = await ledgerOf(room, { ...options, seed })
    return { ledger, seconds: Math.round((performance.now() - startedAt) / 1_000) }
  } finally {
    await room.leave()
  }
}

async function well(target: ConformanceTarget, what: string, seed: number, options: Options = {}): Promise<Line> {
  const { ledger, seconds } = await timed(target, seed, options)
  const bad = whyBad(ledger)
  return { text: `${bad ? 'FAILED ' : ''}${what}, ${seconds} s: ${described(ledger)}`, failed: bad !== undefined }
}

async function wrong(target: ConformanceTarget, mutation: Mutation, seed: number): Promise<Line> {
  const { ledger, seconds } = await timed(target, seed, { ...mutation.chaos, mutation })
  const unproved = whyUnproved(ledger, mutation)
  const text = unproved ?? `red, as it must be: ${described(ledger, { mostFindings: 1, stories: false })}`
  return {
    text: `${unproved ? 'FAILED ' : ''}"${mutation.name}" taken out, seed ${seed}, ${seconds} s: ${text}`,
    failed: unproved !== undefined,
  }
}
