import { expect, test } from 'vitest'
import { CorebusError } from '../errors.ts'
import { LetterBatches } from './letter-batches.ts'

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n)

/** Fails with those numbers. */
function failing(which: (n: number) => Error | undefined, atOnce?: number) {
  const tried: number[] = []
  const work = async (n: number): Promise<boolean> => {
    tried.push(n)
    const error = which(n)
    if (error) throw error
    return true
  }
  return { tried, batches: new LetterBatches(work, atOnce === undefined ? {} : { atOnce }) }
}

const refused = new CorebusError('REFUSED', 'no')
const tooLarge = new CorebusError('TOO_LARGE', 'too large')

test('a letter that is refused alone in its part ends nothing: every later one is tried, and those that went are in the error', async () => {
  const { tried, batches } = failing((n) => (n < 3 ? refused : undefined), 1)
  expect(await batches.run(numbers(6))).toEqual([3, 4, 5])
  expect([tried, batches.isHopeless]).toEqual([numbers(6), false])
  expect(() => batches.counted()).toThrow(expect.objectContaining({ code: 'REFUSED', message: 'no (3 other letters have gone)' }))
})

test('after ten failures in a row, and after several together that have all failed, no more are tried', async () => {
  const one = failing((n) => (n === 5 ? undefined : refused), 1)
  await one.batches.run(numbers(40))
  expect([one.tried, one.batches.isHopeless]).toEqual([numbers(16), true])
  const two = failing(() => refused, 2)
  await two.batches.run(numbers(40))
  expect([two.tried, two.batches.isHopeless]).toEqual([[0, 1], true])
  expect(() => two.batches.counted()).toThrow(refused)
})

test('letters that are too large are no reason to give the others up, however many they are', async () => {
  const { tried, batches } = failing((n) => (n < 30 ? tooLarge : undefined), 2)
  expect(await batches.run(numbers(32))).toEqual([30, 31])
  expect([tried.length, batches.isHopeless]).toEqual([32, false])
})

test('what went before a place could not be read on is in the error, and no letter is tried after it', async () => {
  const { tried, batches } = failing(() => undefined)
  const reading = async (): Promise<void> => {
    await batches.run(numbers(2))
    throw new Error('gone')
  }
  await expect(batches.through(reading)).rejects.toThrow('gone (2 other letters have gone)')
  await batches.run(numbers(2))
  expect(tried).toEqual([0, 1])
})

test('an error of whoever sets the pace is thrown as it is', async () => {
  const late = new Error('enough')
  const onReplayed = (): void => {
    throw late
  }
  const batches = new LetterBatches(async () => true, { atOnce: 1, onReplayed })
  expect(await batches.run(numbers(2))).toEqual([0])
  expect(() => batches.counted()).toThrow(late)
})

test('letters that are not there any more when their part goes are not tried, and not counted', async () => {
  const { tried, batches } = failing(() => undefined, 2)
  await batches.run(numbers(6), async (part) => part.filter((n) => n > 2))
  expect([tried, batches.counted()]).toEqual([[3, 4, 5], 3])
})
