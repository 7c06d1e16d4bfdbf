import { broker } from '@corebus/testbed'
import { afterAll } from 'vitest'
import { upgradesOn } from '../fixtures/upgrade/upgrade.ts'

const running = await broker('rabbitmq')
afterAll(() => running?.stop())

upgradesOn(running && { broker: 'rabbitmq', url: running.url })
