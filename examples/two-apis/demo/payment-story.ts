import { ask } from './ask.ts'
import type { LogLine } from './log-line.ts'
import { check, type Stage } from './stage.ts'
import { until } from './until.ts'

const RETRIES = 3
/** Clocks of a broker and a process count milliseconds, and round them. */
const TOLERANCE_MS = 5

export async function failAndReplayPayment(stage: Stage, userId: number, orderId: number): Promise<void> {
  const { apis, tell, order } = stage
  tell('demo', 'step', '5. The payment gateway is out of order while Ana pays')
  await switchGateway(stage, false)
  const answer = await ask(tell, 'POST', `${apis.urls.orders}/orders/${orderId}/pay`, { body: { card_token: 'tok_visa' } })
  check(answer.status === 202, 'POST /orders/:id/pay answers 202')
  const { id, ...caused } = await failsForGood(stage, answer.requestId)
  await order(userId, 'not paid', (found) => found.id === orderId && found.status === 'open')

  tell('demo', 'step', '6. The gateway is back: the dead letter is handed back to the group that gave up on it')
  await switchGateway(stage, true)
  await replay(stage, id)
  await paid(stage, userId, orderId, caused)
  const isGone = async (): Promise<true | undefined> => {
    const { code, output } = await apis.core('dlq', 'list', '--id', id, '--json')
    return code === 0 && output.trim() === '{"letters":[]}' ? true : undefined
  }
  await until('the letter that succeeded is gone from the dead letters', isGone, { signal: apis.signal })
}

async function switchGateway({ apis, tell, adminToken }: Stage, available: boolean): Promise<void> {
  const { status } = await ask(tell, 'PUT', `${apis.urls.orders}/gateway`, { body: { available }, token: adminToken })
  check(status === 200, 'PUT /gateway answers 200')
}

async function failsForGood(
  { apis, tell, firstRetryMs, happens }: Stage,
  correlationId: string,
): Promise<{ id: string; correlationId: string }> {
  const caused = { topic: 'payments.process', correlationId }
  await happens('published', caused)
  const dead = await happens('dead letter', { group: 'payments', attempt: RETRIES + 1, ...caused })
  check(dead.id !== undefined, 'the log line of a dead letter has its id')
  const retries = apis.happened('retry', { group: 'payments', id: dead.id })
  const asked = retries.map(({ afterMs }) => afterMs)
  const wanted = Array.from({ length: RETRIES }, (_, n) => firstRetryMs * 2 ** n)
  check(String(asked) === String(wanted), `the retries wait ${wanted.join(', ')} ms, and not ${asked.join(', ')}`)
  const waited = gaps(apis.happened('asked', { group: 'payments', id: dead.id }))
  check(
    waited.length === RETRIES && waited.every((ms, n) => ms >= (wanted[n] ?? 0) - TOLERANCE_MS),
    `each retry comes, and none early: after ${waited.join(', ')} ms`,
  )
  tell('demo', 'says', `asked for ${wanted.join(', ')} ms between the attempts, measured ${waited.join(', ')} ms`)
  return { id: dead.id, correlationId }
}

function gaps(lines: readonly LogLine[]): readonly number[] {
  return lines.slice(1).map(({ at }, n) => at - (lines[n]?.at ?? at))
}

async function replay({ apis, tell }: Stage, id: string): Promise<void> {
  const core = async (...args: string[]): Promise<string> => {
    tell('orders-api', 'command', `npx corebus ${args.join(' ')}`)
    const { code, output, errors } = await apis.core(...args)
    for (const text of output.trim().split('\n')) tell('orders-api', 'says', text)
    check(code === 0, `npx corebus ${args.join(' ')} exits with 0, and not ${code}: ${errors.trim()}`)
    return output
  }
  check((await core('dlq', 'list', '--topic', 'payments.process')).includes(id), `npx corebus dlq list names message ${id}`)
  await core('dlq', 'retry', '--id', id)
}

async function paid(stage: Stage, userId: number, orderId: number, caused: { correlationId: string }): Promise<void> {
  const { happens, user, order } = stage
  await happens('handled', { topic: 'payments.process', group: 'payments', attempt: 1, ...caused })
  await happens('published', { event: 'payment.completed', topic: 'payment-events', key: String(orderId), ...caused })
  for (const group of ['order-service', 'user-service', 'order-feed'])
    await happens('handled', { event: 'payment.completed', group, ...caused })
  await user(userId, 'the payment counted', ({ payments_count }) => payments_count === 1)
  await happens('handled', { topic: 'orders.updated', group: 'inventory', ...caused })
  await order(userId, 'paid and sold', (found) => found.id === orderId && found.status === 'paid' && found.stock === 'sold')
}
