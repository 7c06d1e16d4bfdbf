import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { ask } from './demo/ask.ts'
import { PASSWORD } from './demo/story.ts'
import { bootTwoApis } from './demo/two-apis.ts'
import { until } from './demo/until.ts'

const GATEWAY_MS = 8_000
/** A machine that is busy with tests; a request that waits for the gateway takes seconds. */
const MOST_MS = 4_000

it('no request waits for a gateway that takes 8 s', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slow-gateway-'))
  const apis = await bootTwoApis({
    env: {
      MESSAGING_BROKER: 'sqlite',
      SQLITE_PATH: join(folder, 'messages.db'),
      USERS_DB: join(folder, 'users.db'),
      ORDERS_DB: join(folder, 'orders.db'),
      GATEWAY_ANSWERS_AFTER_MS: String(GATEWAY_MS),
    },
  })
  onTestFinished(async () => {
    await apis.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const { users, orders } = apis.urls
  const { signal } = apis
  const took: { readonly what: string; readonly status: number; readonly ms: number }[] = []
  const timed = async (method: 'GET' | 'POST' | 'PATCH', url: string, body?: unknown): Promise<Record<string, unknown>> => {
    const startedAt = performance.now()
    const answer = await ask(() => undefined, method, url, body === undefined ? {} : { body })
    took.push({ what: `${method} ${url}`, status: answer.status, ms: performance.now() - startedAt })
    return answer.body
  }
  const register = (n: number) => timed('POST', `${users}/users/register`, { email: `user${n}@example.com`, password: PASSWORD })
  const place = (userId: unknown) =>
    timed('POST', `${orders}/orders`, { user_id: userId, items: [{ sku: 'tea', quantity: 1, price: 4.5 }] })

  const { id: userId } = await register(0)
  await until('the user is known', async () => (await place(userId)).id, { signal })
  const { id: orderId } = await place(userId)
  took.length = 0
  await timed('POST', `${orders}/orders/${orderId}/pay`, { card_token: 'tok_visa' })
  await until('the gateway is asked', () => apis.lines.find(({ log }) => log?.text === 'asks the gateway'), { signal })
  const paid = () => apis.happened('handled', { topic: 'payments.process' })[0]
  for (let n = 1; !paid(); n++) {
    await register(n)
    await timed('PATCH', `${users}/users/${userId}`, { email: `changed${n}@example.com` })
    await timed('GET', `${users}/users/${userId}`)
    await place(userId)
    await timed('GET', `${orders}/orders?user_id=${userId}`)
  }
  expect(took.length).toBeGreaterThan(20)
  expect(took.filter(({ ms, status }) => ms > MOST_MS || status >= 400)).toEqual([])
}, 60_000)
