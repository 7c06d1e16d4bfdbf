import { expect, test } from 'vitest'

/** What each door gives at run time. A name that is taken away breaks somebody; one that is added is promised. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  '@corebus/core': [
    'CHANNEL',
    'CorebusError',
    'PublishError',
    'Reject',
    'RetryLater',
    'SettleError',
    'brokerUrl',
    'close',
    'closeOnSignal',
    'configureMessaging',
    'consumer',
    'createMessaging',
    'defaultMessaging',
    'defineEvent',
    'emit',
    'event',
    'exponential',
    'fixed',
    'getProducer',
    'handle',
    'linear',
    'messageHandler',
    'methodsOf',
    'on',
    'onEvent',
    'publishEvent',
    'recordMethod',
    'redisUrl',
    'replayDeadLetters',
    'start',
    'use',
  ],
  '@corebus/core/driver': ['CorebusError', 'PublishError', 'SettleError', 'systemClock'],
  '@corebus/core/events': ['CorebusError', 'defineEvent', 'newId'],
  '@corebus/core/internal': [
    'callable',
    'checkNames',
    'checkOptions',
    'flag',
    'having',
    'isText',
    'milliseconds',
    'must',
    'oneOf',
    'text',
    'texts',
  ],
  '@corebus/core/testing/conformance': ['conformanceCases', 'conformanceResults', 'conformanceTable', 'runConformance'],
}

test.each(Object.entries(DOORS))('%s gives these names and no others', async (door, names) => {
  const given: object = await import(door)
  expect(Object.keys(given).sort()).toEqual(names)
})
