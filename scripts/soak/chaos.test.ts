import { expect, test } from 'vitest'
import { chaosOn } from './chaos.ts'

test('a broker on which there is no chaos is refused, and those there are named', async () => {
  await expect(chaosOn('sqlite', { seeds: [1], onLine: () => {} })).rejects.toThrow(
    'no chaos on sqlite; there is: rabbitmq, redis, kafka, kafka-cluster',
  )
})
