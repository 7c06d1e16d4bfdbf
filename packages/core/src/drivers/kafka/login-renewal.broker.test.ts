import { startKafka } from '@corebus/testbed'
import { afterAll, describe, expect, test } from 'vitest'
import { member, messages, openRoom } from './fixtures/room.ts'

/** kafkajs begins 10 s before the end: a shorter one it never stops renewing. */
const REAUTHENTICATE_MS = 15_000

// It waits for two of them.
const running =
  process.env.COREBUS_SOAK !== '1'
    ? undefined
    : await startKafka({
        listeners: { SASL: 'SASL_PLAINTEXT' },
        format: ['--add-scram', 'SCRAM-SHA-256=[name=app,password=app-secret]'],
        config: [
          `connections.max.reauth.ms=${REAUTHENTICATE_MS}`,
          'listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256',
          'listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_app="app-secret";',
          'listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;',
        ],
      })
afterAll(() => running?.stop())

describe.skipIf(!running)('a login that lasts for a while (long: with COREBUS_SOAK=1)', () => {
  test.each(['plain', 'scram-sha-256'])(
    'is renewed by %s while messages are published and read, and nothing is lost',
    async (mechanism) => {
      const { topic, group, ...room } = openRoom('')
      const url = `127.0.0.1:${running?.ports.SASL}`
      const driver = await room.connected({ url, auth: { username: 'app', password: 'app-secret', mechanism } })
      const reader = await member(driver, { topics: [topic], group, acknowledges: true })
      const until = performance.now() + 2.5 * REAUTHENTICATE_MS
      let published = 0
      for (; performance.now() < until; published++) await driver.publish(messages(topic, 1))
      await reader.nth(published)
      expect(driver.states.map(({ kind }) => kind)).toEqual(['connected'])
    },
    60_000,
  )
})
