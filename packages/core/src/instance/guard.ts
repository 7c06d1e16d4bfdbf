import type { Config } from '../config/config.ts'
import { type Env, envValue } from '../config/env.ts'
import type { Driver } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { isHosted } from '../process/hosted.ts'
import { registry } from '../process/registry.ts'
import { testRunner } from '../process/test-runner.ts'

export interface GuardOptions {
  readonly config: Pick<Config, 'where' | 'why'>
  readonly env: Env
  /** Whether the test looks at the instance's broker, and so means it. */
  readonly isObserved: () => boolean
}

/**
 * Keeps the default instance of a test that forgot the test kit from a broker that keeps what it is given: that of a developer's `.env`, or of production.
 * @throws CorebusError REAL_BROKER_IN_TEST
 */
export function guardOf({ config: { where, why }, env, isObserved }: GuardOptions): (driver: Driver) => void {
  return ({ name, capabilities }) => {
    // A process that the command runs is a service, also where its code has imported node:test for the timers.
    if (!capabilities.durable || isHosted() || isObserved() || envValue(env, 'MESSAGING_ALLOW_IN_TESTS')?.trim() === '1') return
    const runner = testRunner()
    if (runner === undefined) return
    throw new CorebusError(
      'REAL_BROKER_IN_TEST',
      `this is a test (${runner}), and the configured instance is about to use the ${name} broker at ${where} (${why}), which keeps what tests publish. ` +
        "Import '@corebus/core/testing' before the service's modules and use testApp(), which needs no broker. " +
        'A test that means this broker uses createMessaging({ broker }) or observe(messaging), or sets MESSAGING_ALLOW_IN_TESTS=1',
    )
  }
}

/** The instances that tests look at on their real brokers. */
export function observed(): WeakSet<object> {
  registry.observed ??= new WeakSet()
  return registry.observed
}
