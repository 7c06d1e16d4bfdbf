import { expect, test, vi } from 'vitest'
import { makeProject } from '../../../core/test/project.ts'

/** A test runs several processes, which on a busy machine take seconds each. */
vi.setConfig({ testTimeout: 180_000 })

/** A pool as that of pg behaves while nobody listens at any address of its host. */
const AWAY = `
import { configureMessaging } from '@corebus/core'
import { pgSession, schedule, sqlOutbox, sqlSchedules } from '@corebus/sql'
const refused = (address) => new Error('connect ECONNREFUSED ' + address)
const error = new AggregateError([refused('::1:5432'), refused('127.0.0.1:5432')])
const connect = (callback) => (callback ? void callback(error) : Promise.reject(error))
const { SCHEDULES } = process.env
configureMessaging({ service: 'shop', session: pgSession({ connect }), outbox: sqlOutbox(), ...(SCHEDULES !== 'none' && { schedules: sqlSchedules() }) })
schedule('nightly', '0 3 * * *', () => undefined)
`
const project = () =>
  makeProject(
    { 'messaging.js': AWAY, 'package.json': JSON.stringify({ type: 'module', corebus: { entry: 'messaging.js' } }) },
    { packages: ['sql'] },
  )

test.each([
  ['outbox', 'status'],
  ['outbox', 'migrate'],
  ['outbox', 'relay'],
  ['schedule', 'list'],
])('core %s %s names the database that is away', async (...args) => {
  const { code, stderr } = await project().core(args)
  expect([code, stderr]).toEqual([
    1,
    'error: PostgreSQL of pgSession cannot be used: connect ECONNREFUSED ::1:5432; connect ECONNREFUSED 127.0.0.1:5432\n',
  ])
})

test('a part that is missing is a mistake: trying again cannot help', async () => {
  const { code, stderr } = await project().core(['consumer'], { env: { SCHEDULES: 'none' } })
  expect([code, stderr]).toEqual([2, expect.stringContaining('nothing runs it, because the option schedules is not given')])
})
