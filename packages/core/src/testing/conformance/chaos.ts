import assert from 'node:assert/strict'
import { type ConformanceCase, casesOf, durable } from './case.ts'
import { described, judge, type Ledger } from './chaos/ledger.ts'
import type { ChaosOptions, Mutation } from './chaos/mutation.ts'
import { chaos, PLENTY } from './chaos/run.ts'
import { coreMutations } from './chaos/safeguards.ts'
import type { Room } from './room.ts'

const stressing = casesOf('Stress')

/** Fewer would prove nothing. */
const LEAST_CONFIRMED = 100
/** Each kind of fault once, but for those that take long and have cases of their own. */
const SHORT: Partial<ChaosOptions> = {
  forMs: 10_000,
  deck: { killMember: 3, killProducer: 1, stopMember: 1, freeze: 1, refuse: 1, kill: 1 },
}
/** Every one of them loses what is just being handled. */
const [acknowledgeFirst] = coreMutations
const FEWER_KILLS: Mutation = { ...acknowledgeFirst, chaos: { ...acknowledgeFirst.chaos, deck: { killMember: 3 } } }
/** One that a failure can be repeated with. */
const PUSH_SEED = 11
export const SOAK_SEEDS: readonly number[] = [11, 12, 13]

/** The core's and the driver's own. */
export function mutationsOf({ target }: Pick<Room, 'target'>): readonly Mutation[] {
  return [...coreMutations, ...(target.mutations ?? [])]
}

/** Without a deck it is the usual one and what the target adds to it. */
export async function ledgerOf(room: Room, options: Partial<ChaosOptions> & Pick<ChaosOptions, 'seed'>): Promise<Ledger> {
  return judge(await chaos(room, { ...PLENTY, deck: { ...PLENTY.deck, ...room.target.chaos?.more }, ...options }))
}

/** Why a run is no proof that all is well; undefined when it is. */
export function whyBad(ledger: Ledger): string | undefined {
  if (ledger.confirmed < LEAST_CONFIRMED) return `too little happened: ${described(ledger)}`
  return ledger.findings.length > 0 ? described(ledger) : undefined
}

/** Why a run without a safeguard does not prove that it is missed; undefined when it does. */
export function whyUnproved(ledger: Ledger, { shows }: Mutation): string | undefined {
  if (ledger.findings.some(({ kind }) => shows.includes(kind))) return undefined
  return `nothing of what it should show (${shows.join(', ')}), so the ledger proves nothing: ${described(ledger)}`
}

async function comesOutWell(room: Room, options: Partial<ChaosOptions> & Pick<ChaosOptions, 'seed'>): Promise<void> {
  const bad = whyBad(await ledgerOf(room, options))
  assert.equal(bad, undefined, `seed ${options.seed}: ${bad}`)
}

async function goesWrong(room: Room, mutation: Mutation, seed: number): Promise<void> {
  const unproved = whyUnproved(await ledgerOf(room, { ...mutation.chaos, seed, mutation }), mutation)
  assert.equal(unproved, undefined, `seed ${seed}, ${mutation.name}: ${unproved}`)
}

export const chaosCases: readonly ConformanceCase[] = [
  stressing(
    'chaos for 10 s: what was confirmed is handled, nothing is dead-lettered that had not failed, and no more is handled twice than was unsettled',
    (room) => comesOutWell(room, { ...SHORT, deck: { ...SHORT.deck, ...room.target.chaos?.more }, seed: PUSH_SEED }),
    { needs: durable, alone: true, timeoutMs: 240_000 },
  ),

  stressing(
    'the same with one safeguard taken out (it acknowledges before it handles) goes wrong, and the ledger says so',
    (room) => goesWrong(room, FEWER_KILLS, 1),
    { needs: durable, alone: true, timeoutMs: 240_000 },
  ),

  stressing(
    'chaos for a minute, with three seeds',
    async (room) => {
      for (const seed of SOAK_SEEDS) await comesOutWell(room, { seed })
    },
    { needs: durable, soak: true, alone: true, timeoutMs: 1_200_000 },
  ),

  stressing(
    'with each safeguard taken out chaos goes wrong, and with it in place it does not, with 3 seeds of 3',
    async (room) => {
      for (const mutation of mutationsOf(room))
        for (const seed of SOAK_SEEDS) {
          await comesOutWell(room, { ...mutation.chaos, seed })
          await goesWrong(room, mutation, seed)
        }
    },
    { needs: durable, soak: true, alone: true, timeoutMs: 3_000_000 },
  ),
]
