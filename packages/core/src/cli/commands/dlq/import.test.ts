import { expect, test } from 'vitest'
import type { Admin, Burying } from '../../../driver.ts'
import { lineOf } from '../../../operations/letter-lines.ts'
import { buryAll, firstReading } from './import.ts'

const lines = (count: number): string =>
  Array.from({ length: count }, (_, n) => ({ id: `id-${n}`, topic: 't', headers: {}, body: new Uint8Array() }))
    .map((message) => `${lineOf({ message, group: 'g', place: 'p', at: 0 })}\n`)
    .join('')

/** Gives one text after another, as a file does that is written meanwhile. */
function readings(...texts: readonly string[]) {
  let n = 0
  return async function* () {
    yield texts[n++] ?? ''
  }
}

test.each([
  ['fewer', 5, 2],
  ['more', 5, 7],
])('a file that gives %s letters the second time is an error, with how many were put back', async (_, before, then) => {
  const read = readings(lines(before), lines(then))
  const buried: Burying[] = []
  const admin = { bury: async (letters: readonly Burying[]) => void buried.push(...letters) } as unknown as Admin
  const first = await firstReading(read)
  await expect(buryAll(admin, { file: 'letters.jsonl', read, first })).rejects.toMatchObject({
    code: 'CHANGED',
    message: `letters.jsonl has changed while it was read: it had ${before} letters at first and ${then} then, which were put back`,
  })
  expect(buried.length).toBe(then)
})
