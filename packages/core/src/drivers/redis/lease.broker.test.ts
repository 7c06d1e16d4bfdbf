import { startRedis } from '@corebus/testbed'
import { afterAll, expect, test } from 'vitest'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'
import { keysOf, namesWith } from './names.ts'

const running = await startRedis()
afterAll(() => running?.stop())
const url = running?.url ?? ''
const cli = (...args: string[]) => running?.cli(...args).trim() ?? ''

const LEASE_MS = 2_500

/** Nothing of this process runs meanwhile, as if it had been stopped. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

test.skipIf(!running)(
  'what came while a process stood still, and is done by others meanwhile, is not handled when it wakes up',
  async () => {
    const room = openRoom(url)
    const driver = await room.connected({ tuning: { leaseMs: LEASE_MS } })
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    await driver.publish(messages(room.topic, 1))
    await group.nth(1)
    // Its next read waits at the server.
    await quiet()
    const [stream = '', , members = ''] = keysOf(namesWith(''), room.topic, 'g')

    const id = cli('XADD', stream, '*', 'data', '{}')
    const [, owner] = cli('XPENDING', stream, 'g', '-', '+', '1').split('\n')
    expect(owner).toBe(cli('ZRANGE', members, '0', '-1'))
    standStill(LEASE_MS + 500)
    expect(cli('ZREM', members, owner ?? '')).toBe('1')
    expect(cli('XACK', stream, 'g', id)).toBe('1')

    await until(() => group.states.some(({ kind }) => kind === 'reconnecting'))
    const [sent] = messages(room.topic, 1)
    await driver.publish(sent ? [sent] : [])
    await until(() => group.ids().includes(sent?.id ?? ''))
    expect(group.ids()).toHaveLength(2)
  },
)
