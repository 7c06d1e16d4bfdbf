// #region asked
import { survives, testApp } from '@corebus/core/testing'
import { expect, test } from 'vitest'
import { gateway, OrderPaid } from './safe-to-repeat.ts'

const paid = { id: 1, amount: 10 }
const outside = { gateway }

test('an order is charged once, whatever happens', async () => {
  await using app = await testApp()
  expect(await survives(app, OrderPaid, paid, { group: 'charges-once', outside })).toEqual([])
})
// #endregion asked

test('each fault is found', async () => {
  await using app = await testApp()
  // #region count-finding
  expect(await survives(app, OrderPaid, paid, { group: 'totals' })).toContain('delivered twice: totals.orders 2 instead of 1')
  // #endregion count-finding
  // #region charge-finding
  expect(await survives(app, OrderPaid, paid, { group: 'charges', outside })).toContain(
    'killed after call 1 of 3 (gateway.charge), delivered again: gateway.charge 2 instead of 1',
  )
  // #endregion charge-finding
  // #region tell-finding
  expect(await survives(app, OrderPaid, paid, { group: 'bills' })).toContain(
    'killed after call 1 of 3 (publish bills), delivered again: bills 2 instead of 1',
  )
  // #endregion tell-finding
  // #region check-finding
  expect(await survives(app, OrderPaid, paid, { group: 'checks', outside })).toEqual([
    'delivered twice at once (seed 1): bills 2 instead of 1',
  ])
  // #endregion check-finding
  // #region late-finding
  expect(await survives(app, OrderPaid, paid, { group: 'states', newer: { id: 1, amount: 25 } })).toContainEqual(
    expect.stringContaining('delivered after a newer one of its key: states.amount 10 instead of 25'),
  )
  // #endregion late-finding
})

test.each(['totals-once', 'charges-once', 'bills-once', 'checks-once', 'states-newest'])('nothing is found in %s', async (group) => {
  await using app = await testApp()
  expect(
    await survives(app, OrderPaid, paid, { group, outside, ...(group === 'states-newest' && { newer: { id: 1, amount: 25 } }) }),
  ).toEqual([])
})
