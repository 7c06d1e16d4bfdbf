import { expect, test } from 'vitest'
import { buryInPlaces } from './burying.ts'

const letter = (id: string) => ({ message: { id, topic: 't', headers: {}, body: new Uint8Array() }, group: 'g' })

test('whoever is told that a letter cannot be stored knows that no other is on its way any more', async () => {
  const stored: string[] = []
  const lost = Promise.withResolvers<void>()
  const burying = buryInPlaces(['1', 'too large', '2'].map(letter), {
    placeOf: () => 'place',
    store: ({ message: { id } }) => {
      if (id === 'too large') throw new Error('too large')
      return lost.promise.then(() => stored.push(id))
    },
  }).catch(({ message }: Error) => [message, [...stored]])
  await new Promise((resolve) => setImmediate(resolve))
  lost.resolve()
  expect(await burying).toEqual(['too large', ['1', '2']])
})

test('every place is looked up before the first letter is stored', async () => {
  const stored: string[] = []
  const burying = buryInPlaces([letter('1'), { ...letter('2'), group: 'none' }], {
    placeOf: (_, group) => {
      if (group === 'none') throw new Error('no such group')
      return 'place'
    },
    store: async ({ message: { id } }) => stored.push(id),
  })
  await expect(burying).rejects.toThrow('no such group')
  expect(stored).toEqual([])
})
