import { expect, onTestFinished, test } from 'vitest'
import { collector, until } from '../../test/kit.ts'
import type { Delivery, Driver, Settlement, SubscribeOptions } from '../driver.ts'
import { CorebusError, SettleError } from '../errors.ts'
import { createMessaging } from '../messaging.ts'
import { afterRefusal } from './refusal.ts'

/** A broker that stores no copy of the messages whose body says so, in any form, until it is mended. */
function refusing() {
  const asked: string[] = []
  let mended = false
  let hand: SubscribeOptions['onDeliveries'] = () => undefined
  const wordOf = (settlement: Settlement) =>
    settlement.kind === 'deadLetter'
      ? `letter of ${settlement.keeps ?? 'all'}${settlement.headers['corebus-error-stack'] ? ' with stack' : ''}, left out: ${settlement.headers['corebus-left-out']}`
      : settlement.kind
  const settle = async (settlements: readonly Settlement[]) => {
    const refused = new Map<Delivery, Error>()
    for (const settlement of settlements) {
      asked.push(`${settlement.delivery.message.key} ${wordOf(settlement)}`)
      if (!mended && settlement.kind !== 'ack') refused.set(settlement.delivery, new Error('too large, password=hunter2'))
    }
    if (refused.size > 0) throw new SettleError([...refused.keys()], new Error('too large, password=hunter2'), refused)
  }
  const driver = {
    name: 'refusing',
    capabilities: {
      durable: true,
      orderedAcrossProcesses: true,
      keepsHistory: true,
      longestHandlingMs: Number.POSITIVE_INFINITY,
      members: false,
    },
    admin: { topics: async () => [] },
    connect: async (listener: (state: { kind: 'connected' }) => void) => listener({ kind: 'connected' }),
    ensure: async () => [],
    async subscribe({ onDeliveries }: SubscribeOptions) {
      hand = onDeliveries
      return { settle, limit: () => undefined, stop: async () => undefined }
    },
    close: async () => undefined,
  } as unknown as Driver
  const give = (key: string) =>
    hand([
      {
        message: { id: `${key}\u001b[2J`, topic: 't', key, headers: { theirs: 'x' }, body: Buffer.from('"x"') },
        unsettledBefore: 0,
        receipt: undefined,
      },
    ])
  return {
    driver,
    asked,
    give,
    mend() {
      mended = true
    },
  }
}

test('what the broker refuses for good is asked for in less and less, holds nobody, is named by health, and is settled once it can be', async () => {
  const { driver, asked, give, mend } = refusing()
  const { logger, lines } = collector('warn')
  const messaging = createMessaging({ driver: () => driver, service: 's', env: {}, logger, shutdownMs: 200 })
  onTestFinished(() => messaging.close())
  messaging.handle({ topic: 't', group: 'g', maxRetries: 1, retryDelayMs: 1_000, ordering: 'none' }, (_: string, { key }) => {
    if (key === 'bad') throw new Error('no')
  })
  await messaging.start()
  give('bad')
  await until(
    () => !messaging.health().ready,
    () => asked,
  )
  expect(asked).toEqual([
    'bad retry',
    'bad letter of all with stack, left out: undefined',
    'bad letter of all, left out: undefined',
    'bad letter of body, left out: 1 headers',
    'bad letter of nothing, left out: 1 headers and a body of 3 bytes',
  ])
  expect(messaging.health().reasons).toEqual(['group g cannot settle message bad\\x1b[2J of t: too large, password=***'])
  give('good')
  await until(
    () => asked.includes('good ack'),
    () => asked,
  )
  const told = lines.map(({ msg }) => msg)
  expect(told.filter((msg) => /cannot be settled, and stays here/.test(msg))).toHaveLength(1)
  expect(told.filter((msg) => /loses 1 headers/.test(msg))).toHaveLength(2)
  expect(JSON.stringify(lines)).not.toContain('hunter2')
  mend()
  await until(
    () => messaging.health().ready,
    () => messaging.health(),
  )
})

test.each(['ACCESS_REFUSED', 'NOT_FOUND', 'TOPOLOGY', 'TARGET'])('nothing is left out of a letter because of its place: %s', (code) => {
  const delivery: Delivery = {
    message: { id: 'a', topic: 't', headers: {}, body: Buffer.from('1') },
    unsettledBefore: 0,
    receipt: undefined,
  }
  const settlement = { kind: 'deadLetter', delivery, headers: { 'corebus-error-stack': 'at x' } } as const
  const outcome = { kind: 'deadLetter', settlement, reason: 'failed', error: new Error('no') } as const
  const after = (why: Error) => afterRefusal(outcome, why, { attempt: 1 } as never, { group: 'g', keepsDeadLetters: true, now: 0 })
  expect(after(new CorebusError(code, 'not here'))).toBeUndefined()
  expect(after(new CorebusError('TOO_LARGE', 'too much'))).toMatchObject({ settlement: { kind: 'deadLetter', headers: {} } })
})
