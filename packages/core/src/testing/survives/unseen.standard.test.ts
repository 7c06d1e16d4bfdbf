import { expect, test } from 'vitest'
import { consumer, onEvent } from '../../decorators/consumer.ts'
import { survives, testApp } from '../index.ts'
import { Gateway, Mails, OrderPaid, paid } from './fixtures/shop.ts'

test('what lies open in the instance of a handler and was not named is said', async () => {
  @consumer('bills')
  class Bills {
    gateway = new Gateway()
    mails = new Mails()
    seen = new Set<string>()
    prices = { of: 1 }
    @onEvent(OrderPaid)
    async bill({ data: { id, amount } }: OrderPaid) {
      await this.gateway.charge({ amount })
      this.mails.send(id)
    }
  }
  await using app = await testApp({ handlers: [Bills], service: 'shop' })
  const { unseen } = await survives(app, OrderPaid, paid, { outside: { gateway: Gateway } })
  expect(unseen).toEqual(['mails', 'seen'].map((name) => `what Bills.bill does by Bills.${name}: name it in outside`))
})
