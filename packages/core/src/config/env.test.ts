import { describe, expect, test } from 'vitest'
import { mistakes, read } from './fixtures/folder.ts'

describe('variables one edit away from ours', () => {
  test.each([
    ['MESSAGING_BROKR', 'MESSAGING_BROKER'],
    ['MESSAGING_BORKER', 'MESSAGING_BROKER'],
    ['messaging_broker', 'MESSAGING_BROKER'],
    ['KAFKA_BOOTSTRAP_SERVER', 'KAFKA_BOOTSTRAP_SERVERS'],
    ['RABBITMQ_URI', 'RABBITMQ_URL'],
    ['REDIS_URI', 'REDIS_URL'],
    ['SERVICE_NAMES', 'SERVICE_NAME'],
  ])('%s is named', (name, ours) => {
    expect(read({}, { [name]: 'x' }).hints).toEqual([`${name} is set and is not read: did you mean ${ours}?`])
  })

  test.each(['APP_NAME', 'API_NAMES', 'BROKER_URL', 'REDIS_TLS_URL', 'DATABASE_URL', 'LOG_FILE', 'HOST', 'PORT'])('%s is not', (name) => {
    expect(read({}, { [name]: 'x' }).hints).toEqual([])
  })

  test("other brokers' are nobody's business once the broker is named", () => {
    expect(read({ broker: 'kafka' }, { REDIS_URI: 'x', RABBITMQ_URI: 'x' }).hints).toEqual([])
    expect(read({ broker: 'redis' }, { REDIS_URI: 'x' }).hints).toHaveLength(1)
  })

  test('stand in the error they may have led to', () => {
    expect(mistakes({}, { NODE_ENV: 'production', MESSAGING_BROKR: 'kafka' })).toEqual([
      expect.stringContaining('no broker is named'),
      'MESSAGING_BROKR is set and is not read: did you mean MESSAGING_BROKER?',
    ])
  })
})
