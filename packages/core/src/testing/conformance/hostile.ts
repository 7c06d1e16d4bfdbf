import assert from 'node:assert/strict'
import { type ConformanceCase, casesOf } from './case.ts'
import type { Finding } from './hostile/finding.ts'
import { fuzz } from './hostile/fuzz.ts'
import { type Odd, oddMessages } from './hostile/odd.ts'
import { type HostileMutation, oldTrust } from './hostile/safeguards.ts'
import { described, shrunk } from './hostile/shrink.ts'
import { openRoom, type Room } from './room.ts'
import type { ConformanceTarget } from './target.ts'

const hostile = casesOf('Hostile messages')

const PUSH = { seed: 1, count: 1_000, batch: 50 }
const SOAK = { seeds: [11, 12, 13], count: 100_000, batch: 250 }
/** More are not looked into. */
const MOST_SHRUNK = 2_000
const SHRINK_TRIES = 12
const SHOWN_FINDINGS = 5

interface Seeded {
  readonly seed: number
  readonly count: number
  /** Written at a time. */
  readonly batch: number
}

export const hostileCases: readonly ConformanceCase[] = [
  hostile(
    'a thousand messages of whatever headers, names, ids, keys and bytes: each is handled or dead with its reason; none stays, and all letters can be handed back',
    (room) => survives(room, PUSH),
    { alone: true, timeoutMs: 400_000 },
  ),

  hostile(
    'the same goes wrong with one safeguard taken out (our own headers are believed whoever wrote them), and the fuzz says so',
    (room) => goesWrong(room, PUSH, oldTrust),
    { needs: written, alone: true, timeoutMs: 180_000 },
  ),

  hostile(
    'a hundred thousand such messages, with each of three seeds',
    async (room) => {
      for (const seed of SOAK.seeds) await survives(room, { ...SOAK, seed })
    },
    { soak: true, alone: true, timeoutMs: 3_600_000 },
  ),

  hostile(
    'with each safeguard taken out a thousand such messages go wrong, and with it in place they do not, with 3 seeds of 3',
    async (room) => {
      for (const seed of SOAK.seeds) {
        await survives(room, { ...PUSH, seed })
        for (const mutation of [oldTrust, ...(room.target.hostile ?? [])]) await goesWrong(room, { ...PUSH, seed }, mutation)
      }
    },
    { needs: written, soak: true, alone: true, timeoutMs: 3_600_000 },
  ),
]

function written(_: unknown, { others }: ConformanceTarget): string | undefined {
  return others ? undefined : 'nobody else writes to this broker in a way of their own'
}

function* batchesOf({ seed, count, batch }: Seeded): Generator<readonly Odd[]> {
  for (let from = 0; from < count; from += batch) yield oddMessages({ seed, from, count: Math.min(batch, count - from) })
}

function numbersOf({ count }: Seeded): readonly number[] {
  return Array.from({ length: count }, (_, n) => n)
}

async function survives(room: Room, seeded: Seeded): Promise<void> {
  const findings = await fuzz(room, { batches: batchesOf(seeded), numbers: numbersOf(seeded) })
  if (findings.length === 0) return
  const what = findings.slice(0, SHOWN_FINDINGS).map(({ kind, text }) => `${kind}: ${text}`)
  assert.fail([`seed ${seeded.seed}, ${findings.length} findings:`, ...what, await smallest(room.target, seeded, findings)].join('\n'))
}

async function goesWrong(room: Room, seeded: Seeded, mutation: HostileMutation): Promise<void> {
  const findings = await fuzz(room, { batches: batchesOf(seeded), numbers: numbersOf(seeded), mutation })
  const found = new Set(findings.map(({ kind }) => kind))
  const proved = mutation.shows.some((kind) => found.has(kind))
  assert.ok(proved, `seed ${seeded.seed}, "${mutation.name}": found ${[...found]}, and ${mutation.shows} should be`)
}

async function smallest(target: ConformanceTarget, seeded: Seeded, findings: readonly Finding[]): Promise<string> {
  if (seeded.count > MOST_SHRUNK) return `try it with fewer than ${MOST_SHRUNK} messages`
  const all = [...batchesOf(seeded)].flat()
  const named = new Set(findings.map(({ n }) => n))
  const kinds = new Set(findings.map(({ kind }) => kind))
  const isRed = async (some: readonly Odd[]) => {
    const room = openRoom(target)
    try {
      const again = await fuzz(room, { batches: [some], numbers: some.map(({ n }) => n) })
      return again.some(({ kind }) => kinds.has(kind))
    } finally {
      await room.leave()
    }
  }
  const small = await shrunk(all, { named: all.filter(({ n }) => named.has(n)), isRed, tries: SHRINK_TRIES })
  return `it takes ${small.length} of ${all.length}:\n${described(small)}`
}
