import { describe, expect, test } from 'vitest'
import { brokerUrl, redisUrl } from './compose.ts'
import type { Env } from './env.ts'

describe('brokerUrl and redisUrl', () => {
  test.each<[Env, string]>([
    [{}, 'amqp://guest:guest@localhost:5672/'],
    [{ BROKER_VHOST: '/' }, 'amqp://guest:guest@localhost:5672/'],
    [
      { BROKER_HOST: 'localhost', BROKER_PORT: '5672', BROKER_USER: 'admin', BROKER_PASSWORD: 'admin', BROKER_VHOST: '/' },
      'amqp://admin:admin@localhost:5672/',
    ],
    [{ BROKER_USER: 'a/b', BROKER_PASSWORD: 'p@s:s#?%', BROKER_VHOST: 'a/b' }, 'amqp://a%2Fb:p%40s%3As%23%3F%25@localhost:5672/a%2Fb'],
    [{ BROKER_VHOST: '/shop' }, 'amqp://guest:guest@localhost:5672/%2Fshop'],
    [{ BROKER_HOST: '::1' }, 'amqp://guest:guest@[::1]:5672/'],
    [{ RABBITMQ_URL: 'amqp://x', BROKER_HOST: 'y' }, 'amqp://x'],
  ])('%o composes %s', (env, url) => {
    expect(brokerUrl(env)).toBe(url)
  })

  test.each<[Env, string]>([
    [{}, 'redis://localhost:6379/0'],
    [{ REDIS_HOST: 'r', REDIS_PORT: '1', REDIS_DB: '3' }, 'redis://r:1/3'],
    [{ REDIS_PASSWORD: 'p@ss' }, 'redis://:p%40ss@localhost:6379/0'],
    [{ REDIS_USER: 'u', REDIS_PASSWORD: 'p' }, 'redis://u:p@localhost:6379/0'],
    [{ REDIS_URL: 'redis://x', REDIS_HOST: 'y' }, 'redis://x'],
  ])('%o composes %s', (env, url) => {
    expect(redisUrl(env)).toBe(url)
  })

  test('a wrong part is an error', () => {
    expect(() => brokerUrl({ BROKER_PORT: '0' })).toThrow(
      expect.objectContaining({ code: 'CONFIG', message: expect.stringContaining('BROKER_PORT') }),
    )
  })
})
