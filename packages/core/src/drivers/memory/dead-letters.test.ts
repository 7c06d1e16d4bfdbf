import { expect, test } from 'vitest'
import { DeadLetters, type Letter } from './dead-letters.ts'

const letter = (position: number): Letter => ({
  message: { id: `id-${position}`, topic: 't', headers: {}, body: new Uint8Array(1_000) },
  group: 'g',
  place: 'p',
  at: 0,
  expiresAt: Number.POSITIVE_INFINITY,
  position,
})

test('a letter that has left lets go of its message at once, and of its place in the list later', () => {
  const dead = new DeadLetters()
  const letters = [1, 2, 3].map(letter)
  for (const one of letters) dead.add(one)
  dead.remove(letters[1] as Letter)
  expect(letters.map(({ message }) => message.body.byteLength)).toEqual([1_000, 0, 1_000])
  expect([[...dead.behind(1, 0)].map(({ position }) => position), dead.count(0)]).toEqual([[3], 2])
})
