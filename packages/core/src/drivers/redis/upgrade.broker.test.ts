import { broker } from '@corebus/testbed'
import { afterAll } from 'vitest'
import { upgradesOn } from '../fixtures/upgrade/upgrade.ts'

const running = await broker('redis')
afterAll(() => running?.stop())

upgradesOn(running && { broker: 'redis', url: running.url })
