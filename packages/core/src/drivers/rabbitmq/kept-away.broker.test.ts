import { chaosProxy, startRabbitmq } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { member, messages, openRoom, until } from './fixtures/room.ts'

// What keeps a service away from its broker is said as it is, once, and not only that it is away.

const running = await startRabbitmq()
afterAll(() => running?.stop())
const url = running?.url ?? ''
const ctl = async (...args: string[]) => running?.ctl(...args)

let users = 0
async function user(): Promise<{ readonly username: string; readonly password: string }> {
  const name = `user-${++users}`
  await ctl('add_user', name, 'secret')
  await ctl('set_permissions', name, '.*', '.*', '.*')
  return { username: name, password: 'secret' }
}

describe.skipIf(!running)('a RabbitMQ that answers and refuses', () => {
  test('a password that was changed meanwhile is said, once; changed back, everything goes on', async () => {
    const auth = await user()
    const room = openRoom(url)
    const driver = await room.connected({ auth })
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    await ctl('change_password', auth.username, 'another')
    await ctl('close_all_connections', 'for the test')
    await until(() => driver.states.length === 3)
    expect(driver.states.map(({ kind }) => kind)).toEqual(['connected', 'reconnecting', 'reconnecting'])
    expect(driver.states[2]).toMatchObject({ error: { code: 'CONNECT', message: expect.stringMatching(/ACCESS_REFUSED/) } })
    expect(JSON.stringify(driver.states[2])).not.toContain('secret')
    await ctl('change_password', auth.username, auth.password)
    const [message] = messages(room.topic, 1)
    await driver.publish(message ? [message] : [])
    await group.nth(1)
    expect(driver.states.map(({ kind }) => kind)).toEqual(['connected', 'reconnecting', 'reconnecting', 'connected'])
  })

  test('a group that may not read its queue any more says so, once; allowed again, it goes on', async () => {
    const auth = await user()
    const room = openRoom(url)
    const driver = await room.connected({ auth })
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    // A look at the group's binding may fall between the two commands, and says what it is refused.
    const states = () => group.states.filter((state) => !('notice' in state))
    await ctl('set_permissions', auth.username, '.*', '.*', '^$')
    await ctl('close_all_connections', 'for the test')
    await until(() => states().length === 3)
    expect(states()[2]).toMatchObject({
      kind: 'reconnecting',
      error: { code: 'ACCESS_REFUSED', message: expect.stringContaining(`${room.topic}:g`) },
    })
    await ctl('set_permissions', auth.username, '.*', '.*', '.*')
    await driver.publish(messages(room.topic, 1))
    await group.nth(1)
    expect(states().map(({ kind }) => kind)).toEqual(['consuming', 'reconnecting', 'reconnecting', 'consuming'])
  })

  test('a first group that may not read what waits for it does not start without it', async () => {
    const auth = await user()
    const room = openRoom(url)
    await (await room.connected()).publish(messages(room.topic, 3))
    await ctl('set_permissions', auth.username, '.*', '.*', `^(corebus:.*|${room.topic}(:.*)?)$`)
    const driver = await room.connected({ auth })
    await expect(member(driver, { topics: [room.topic] })).rejects.toMatchObject({
      code: 'ACCESS_REFUSED',
      message: expect.stringContaining(`${room.topic}.unclaimed`),
    })
  })

  test('who may not read the list of what there is hears which right is missing', async () => {
    const auth = await user()
    const room = openRoom(url)
    await (await room.connected()).ensure({ topics: [room.topic], groups: [] }, 'create')
    await ctl('set_permissions', auth.username, '.*', '.*', '^$')
    await expect((await room.connected({ auth })).admin.topics()).rejects.toMatchObject({
      code: 'ACCESS_REFUSED',
      message: expect.stringMatching(/Give the user the right to read corebus:topology$/),
    })
  })

  test('options for the client reach the broker: the name it shows for a connection', async () => {
    await openRoom(url).connected({ client: { clientProperties: { connection_name: 'orders at night' } } })
    expect(await ctl('list_connections', 'client_properties')).toContain('orders at night')
  })

  test('a connection that is refused for long says it once, also when other reasons come and go', async () => {
    const proxy = await chaosProxy({ port: Number(new URL(url).port) })
    onTestFinished(() => proxy.close())
    const room = openRoom(proxy.through(url))
    const driver = await room.connected()
    await proxy.refuse()
    proxy.cut()
    await until(() => driver.states.length === 2)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    proxy.freeze()
    await proxy.accept()
    await new Promise((resolve) => setTimeout(resolve, 500))
    proxy.thaw()
    await until(() => driver.states.at(-1)?.kind === 'connected')
    expect(driver.states.map(({ kind }) => kind)).toEqual(['connected', 'reconnecting', 'connected'])
  })
})
