import { expect, test } from 'vitest'
import { systemClock } from '../../clock.ts'
import { kafkaDriver } from './driver.ts'

test('options for the client are refused, and not ignored', () => {
  const options = { url: 'kafka://127.0.0.1:9092', service: 's', prefix: '', publishTimeoutMs: 1_000, clock: systemClock } as const
  expect(() => kafkaDriver({ ...options, durability: 'normal', tls: false, client: { clientId: 'mine' } })).toThrow(
    expect.objectContaining({ code: 'CLIENT_OPTION' }),
  )
})
