import assert from 'node:assert/strict'
import { type ConformanceCase, casesOf, durable } from './case.ts'
import type { Child } from './child.ts'
import type { Room } from './room.ts'
import { quiet, until } from './wait.ts'

const stressing = casesOf('Stress')

const MEMBERS = 3
const LEAST_KILLS = 3
const CALM_MS = 60_000

interface ChaosOptions {
  readonly seed: number
  readonly forMs: number
  readonly does: 'ack' | 'ackFirst'
}

interface Ledger {
  readonly confirmed: number
  readonly handled: number
  readonly kills: number
  /** Confirmed by the broker, handled by nobody. */
  readonly lost: readonly string[]
}

/** The same faults for the same seed: Park and Miller's generator, from 0 up to 1. */
function randomOf(seed: number): () => number {
  let state = (seed % 2_147_483_646) + 1
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return (state - 1) / 2_147_483_646
  }
}

function isBusy(member: Child): boolean {
  return member.heard('delivered').length > member.heard('settled').length
}

/** Publishers and members are killed and frozen at random while they work; then calm, until nothing waits. */
async function chaos(room: Room, { seed, forMs, does }: ChaosOptions): Promise<Ledger> {
  const topic = room.topic()
  const random = randomOf(seed)
  const pick = (below: number) => Math.floor(random() * below)
  const everyone: Child[] = []
  const start = (script: 'member' | 'publisher') => {
    const child = room.child(script, script === 'member' ? { topic, limit: 10, does, tookMs: 10 } : { topic, tookMs: 15 })
    everyone.push(child)
    return child
  }
  let publisher = start('publisher')
  const members = Array.from({ length: MEMBERS }, () => start('member'))
  await until(
    () => everyone.every((child) => child.heard('ready').length > 0) && members.some((member) => member.heard('settled').length > 0),
    () => everyone.map((child) => child.trouble()),
  )

  let kills = 0
  const end = performance.now() + forMs
  while (performance.now() < end || kills < LEAST_KILLS) {
    await quiet(100 + pick(300))
    const member = members[pick(MEMBERS)] as Child
    switch (pick(4)) {
      case 0:
        await publisher.kill()
        publisher = start('publisher')
        break
      case 1:
        member.signal('SIGSTOP')
        await quiet(pick(500))
        member.signal('SIGCONT')
        break
      default: {
        // In the middle of its work, or the kill would prove nothing.
        await until(
          () => members.some(isBusy),
          () => members.map((one) => one.trouble()),
        )
        const busy = members.filter(isBusy)
        const victim = busy[pick(busy.length)] as Child
        await victim.kill()
        members[members.indexOf(victim)] = start('member')
        kills++
      }
    }
  }
  await publisher.kill()
  const { admin } = await room.connect()
  await until(
    async () => {
      const { ready, inFlight = 0, delayed = 0 } = await admin.depth(topic, 'g')
      return ready + inFlight + delayed === 0
    },
    async () => [await admin.depth(topic, 'g'), ...members.map((one) => one.trouble())],
    CALM_MS,
  )
  const confirmed = everyone.flatMap((child) => child.heard('confirmed').flatMap(({ ids }) => ids))
  // Said when the work was done, whether or not there was time to settle.
  const handled = new Set(everyone.flatMap((child) => child.heard('started').map(({ id }) => id)))
  await Promise.all(everyone.map((child) => child.kill()))
  return { confirmed: confirmed.length, handled: handled.size, kills, lost: confirmed.filter((id) => !handled.has(id)) }
}

async function nothingLost(room: Room, options: Omit<ChaosOptions, 'does'>): Promise<void> {
  const ledger = await chaos(room, { ...options, does: 'ack' })
  assert.ok(ledger.confirmed > 100, `seed ${options.seed}: too little happened, ${JSON.stringify(ledger)}`)
  assert.deepEqual(ledger.lost, [], `seed ${options.seed}`)
}

async function somethingLost(room: Room, seeds: readonly number[]): Promise<void> {
  for (const seed of seeds) {
    const { lost, confirmed } = await chaos(room, { seed, forMs: 1_000, does: 'ackFirst' })
    assert.ok(lost.length > 0, `seed ${seed}: none of ${confirmed} was missed, so the checker proves nothing`)
  }
}

export const chaosCases: readonly ConformanceCase[] = [
  stressing(
    'chaos for 5 s (kill, freeze): what was confirmed is handled at least once',
    (room) => nothingLost(room, { seed: Date.now(), forMs: 5_000 }),
    {
      needs: durable,
      alone: true,
      timeoutMs: 120_000,
    },
  ),

  stressing(
    'the same with one safeguard removed (settled before it is handled) loses messages, and the ledger says so',
    (room) => somethingLost(room, [1]),
    {
      needs: durable,
      alone: true,
      timeoutMs: 120_000,
    },
  ),

  stressing(
    'chaos for a minute, with three seeds; and with the safeguard removed, the ledger finds the loss with 3 seeds of 3',
    async (room) => {
      for (const seed of [11, 12, 13]) await nothingLost(room, { seed, forMs: 60_000 })
      await somethingLost(room, [11, 12, 13])
    },
    { needs: durable, soak: true, alone: true, timeoutMs: 600_000 },
  ),
]
