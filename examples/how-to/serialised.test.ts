import { expect, test } from 'vitest'
import { messagingOver } from './serialised.ts'

test('sessions of one file take turns, whatever library opens them', async () => {
  let open = 0
  let most = 0
  const messaging = messagingOver({
    async transaction(work) {
      most = Math.max(most, ++open)
      const result = await work({ save: async () => undefined })
      open--
      return result
    },
  })
  await Promise.all(
    [1, 2, 3].map((id) =>
      messaging.openRequest().run(async (db) => {
        await new Promise((resolve) => setImmediate(resolve))
        await db.save({ id })
      }),
    ),
  )
  expect([open, most]).toEqual([0, 1])
})
