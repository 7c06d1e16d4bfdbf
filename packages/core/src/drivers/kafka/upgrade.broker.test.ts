import { broker } from '@corebus/testbed'
import { afterAll } from 'vitest'
import { upgradesOn } from '../fixtures/upgrade/upgrade.ts'

const running = await broker('kafka')
afterAll(() => running?.stop())

upgradesOn(running && { broker: 'kafka', url: running.url })
