import { expect, test } from 'vitest'
import { readConfig } from './config.ts'
import { destinationOf } from './destination.ts'
import type { MessagingOptions } from './messaging-options.ts'

const of = (options: MessagingOptions): string => destinationOf(readConfig({ service: 'orders', env: {}, ...options }))

test('a destination names the kind of broker, the place on it, and the prefix, and neither hosts nor secrets', () => {
  expect(of({ broker: 'kafka', url: 'one:9092,two:9092', prefix: 'shop.' })).toBe('kafka, prefix shop.')
  expect(of({ broker: 'rabbitmq', url: 'amqp://u:secret@one/orders' })).toBe('rabbitmq orders')
  expect(of({ broker: 'rabbitmq', url: 'amqp://one' })).toBe(of({ broker: 'rabbitmq', url: 'amqps://two/%2F' }))
  expect(of({ broker: 'redis', url: 'redis://:secret@one:6379/2' })).toBe('redis 2')
  expect(of({ broker: 'redis', url: 'redis://one' })).toBe(of({ broker: 'redis', url: 'rediss://two:6380/0' }))
  expect(of({ broker: 'sqlite', url: './data/messages.db' })).toBe('sqlite messages.db')
  expect(of({ broker: 'memory' })).toBe('memory')
})

test('names of topics are part of a destination, in whatever order they are said', () => {
  const [a, b] = [{ orders: 'shop:orders' }, { users: 'shop:users' }]
  const named = (names: Readonly<Record<string, string>>) => of({ broker: 'redis', url: 'redis://one', names })
  expect(named({ ...a, ...b })).toBe(named({ ...b, ...a }))
  expect(new Set([named({}), named(a), named({ ...a, ...b })]).size).toBe(3)
})
