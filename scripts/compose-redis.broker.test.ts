// docker-compose.yaml cannot be run here: no engine. What its Redis is started with is given to the one that is installed.
import { spawnSync } from 'node:child_process'
import { startRedis } from '@corebus/testbed'
import { createClient } from 'redis'
import { afterAll, describe, expect, test } from 'vitest'
import { composeFile, type Service } from './compose.ts'

const service = composeFile().services.redis as Service // without it everything here fails
const [program, ...options] = service.command ?? []
/** `--name value` as a line of redis.conf. */
const config = options.join(' ').split('--').slice(1)
const running = await startRedis({ config: ['appendonly no', 'appendfsync no', ...config] })
afterAll(() => running?.stop())

describe.skipIf(!running)('the Redis of docker-compose.yaml', { timeout: 60_000 }, () => {
  test('writes what it confirms to its disk, and deletes nothing to make room', async () => {
    expect(program).toBe('redis-server')
    const client = createClient({ url: running?.url ?? '' })
    await client.connect()
    const {
      appendonly,
      appendfsync,
      'maxmemory-policy': policy,
    } = await client.configGet(['appendonly', 'appendfsync', 'maxmemory-policy'])
    await client.set('kept', '1')
    client.destroy()
    expect({ appendonly, appendfsync, policy }).toEqual({ appendonly: 'yes', appendfsync: 'always', policy: 'noeviction' })
    await running?.kill()
    expect(running?.cli('GET', 'kept').trim()).toBe('1')
  })

  test('is healthy by its own check while it can be reached, and not when it is gone', async () => {
    const [kind, command = '', ...args] = service.healthcheck?.test ?? []
    expect(kind).toBe('CMD')
    const { port } = new URL(running?.url ?? '')
    const check = () => spawnSync(command, ['-p', port, ...args], { encoding: 'utf8' })
    expect(check()).toMatchObject({ status: 0, stdout: 'PONG\n' })
    await running?.stop()
    expect(check().status).not.toBe(0)
  })
})
