import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { afterAll, describe, expect, test } from 'vitest'
import { broker, find } from './broker.ts'
import { authority } from './certificates.ts'
import { type Redis, redis, startRedis, startRedisCluster } from './redis.ts'

const own = await startRedis()
afterAll(() => own?.stop())

describe.skipIf(!own)('a Redis of our own', () => {
  const running = own as Redis

  async function asked(...command: readonly string[]): Promise<unknown> {
    const client = createClient({ url: running.url, socket: { reconnectStrategy: false } })
    client.on('error', () => {})
    await client.connect()
    try {
      return await client.sendCommand([...command])
    } finally {
      client.destroy()
    }
  }

  test('answers where its environment says, and keeps what it has confirmed over a restart and a kill', async () => {
    expect(running.env).toEqual({ MESSAGING_BROKER: 'redis', REDIS_URL: running.url })
    await asked('SET', 'kept', '1')
    await running.restart()
    expect(await asked('INCR', 'kept')).toBe(2)
    await running.kill()
    expect(await asked('GET', 'kept')).toBe('2')
  })

  test('frozen it answers nothing, thawed it goes on', async () => {
    await running.freeze()
    const answer = asked('GET', 'kept')
    await expect(Promise.race([answer, pause(500, 'nothing')])).resolves.toBe('nothing')
    await running.thaw()
    await expect(answer).resolves.toBe('2')
  })

  test('one that the environment names is used and left alone', async () => {
    const found = await broker('redis', { env: { REDIS_URL: running.url } })
    expect(found).toMatchObject({ url: running.url, own: false })
    await expect(found?.kill()).rejects.toThrow('was not started here')
    await found?.stop()
    expect(await redis.answers(running.url)).toBe(true)
  })

  test('with TLS it answers there too; stopped, nothing is left of it', async () => {
    const ca = await authority()
    const second = await startRedis({ tls: { ...(await ca.sign('redis')), ca: ca.ca } })
    ca.remove()
    const client = createClient({ url: second?.tlsUrl ?? '', socket: { tls: true, ca: ca.ca, reconnectStrategy: false } })
    client.on('error', () => {})
    await client.connect()
    expect(await client.ping()).toBe('PONG')
    client.destroy()
    await second?.stop()
    await second?.stop()
    expect(existsSync(second?.folder ?? '/')).toBe(false)
    expect(await redis.answers(second?.url ?? '')).toBe(false)
  })

  test('a cluster of three has all slots, each node a part of them', async () => {
    const cluster = await startRedisCluster()
    expect(cluster?.nodes.map((node) => node.cli('SET', 'a', '1').trim()).sort()[0]).toMatch(/^MOVED|^OK/)
    expect(cluster?.nodes.filter((node) => node.cli('SET', 'a', '1').trim() === 'OK')).toHaveLength(1)
    await cluster?.stop()
  })
})

test('what the environment names and does not answer is an error, not a skip', async () => {
  await expect(broker('redis', { env: { REDIS_URL: 'redis://127.0.0.1:9/0' } })).rejects.toThrow(
    'REDIS_URL is set and no redis answers there',
  )
})

test('where nothing is installed one line says what to install; in CI that fails', async () => {
  const nowhere = { ...redis, answers: async () => false, start: async () => undefined }
  const said: string[] = []
  expect(await find(nowhere, { env: {}, say: (line) => said.push(line) })).toBeUndefined()
  expect(said).toEqual(['skipped, no redis here: apt-get install -y --no-install-recommends redis-server, or set REDIS_URL'])
  await expect(find(nowhere, { env: { CI: 'true' } })).rejects.toThrow('no redis here: apt-get install')
})
