import { broker } from '@corebus/testbed'
import { afterAll, afterEach, describe, test } from 'vitest'
import { type Runner, runConformance } from '../../testing/conformance/index.ts'
import { targetAt, targetOfOne, targetOfThree } from './fixtures/target.ts'

const runner: Runner = {
  describe,
  // One after another: the cases share the name of their group, and a group waits for all of its members whenever one comes or goes.
  test: (name, run, { timeoutMs }) => test(name, run, timeoutMs),
  skip: (name, reason) => test.skip(`${name} (${reason})`, () => {}),
}

// The same list on three brokers is a long run.
const own = await (process.env.COREBUS_BROKERS === '3' ? targetOfThree() : targetOfOne())
afterAll(() => own?.close())
if (own) {
  afterEach(own.forget)
  runConformance(own.target, runner)
} else {
  // Says what is missing, or finds somebody else's, which is not disturbed.
  const found = await broker('kafka')
  if (found) runConformance(targetAt(found.url), runner)
  else test.skip('no Kafka here', () => {})
}
