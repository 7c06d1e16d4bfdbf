import { broker } from '@corebus/testbed'
import { afterAll, describe } from 'vitest'
import { booted } from './fixtures/booted.ts'
import { deadLettersOn } from './fixtures/dead-letters-suite.ts'

for (const name of ['kafka', 'rabbitmq', 'redis'] as const) {
  // A broker of its own: letters are counted, and others may have some of the same topic.
  const found = await broker(name, { own: true })
  afterAll(() => found?.stop())

  describe.skipIf(!found)(`dead letters on ${name}`, () => {
    deadLettersOn(booted({ ...found?.env, MESSAGING_BROKER: name }))
  })
}
