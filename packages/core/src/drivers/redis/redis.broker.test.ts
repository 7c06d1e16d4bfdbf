import { type Broker, broker } from '@corebus/testbed'
import { afterAll, describe, test } from 'vitest'
import { type ConformanceTarget, conformanceCases, type Runner, runConformance } from '../../testing/conformance/index.ts'
import { whyNot } from '../../testing/conformance/run.ts'
import { targetOn } from './fixtures/target.ts'

const runner: Runner = {
  describe,
  test: (name, run, { timeoutMs, alone }) => (alone ? test : test.concurrent)(name, run, timeoutMs),
  skip: (name, reason) => test.skip(`${name} (${reason})`, () => {}),
}

async function targetFor(running: Broker): Promise<ConformanceTarget> {
  const { target, close } = await targetOn(running)
  afterAll(async () => {
    await close()
    await running.stop()
  })
  return target
}

const found = await broker('redis')
if (!found) test.skip('no Redis here', () => {})
else {
  const target = await targetFor(found)
  runConformance(target, runner)
  // Somebody else's is never restarted: what needs that has a broker of its own.
  const own = found.own ? undefined : await broker('redis', { own: true })
  if (own) {
    const ownTarget = await targetFor(own)
    const cases = conformanceCases.filter((one) => whyNot(one, target, false) && !whyNot(one, ownTarget, false))
    if (cases.length > 0) runConformance(ownTarget, runner, { cases })
  }
}
