import { event } from '@corebus/core'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { action } from './action.ts'
import { freshMessaging } from './fixtures/broker.ts'
import { mount } from './mount.ts'
import { ViewSet } from './view-set.ts'

// In a file of its own: what is decorated here is wrong for every instance of the process that has no default topic.

class Topicless extends ViewSet {
  @action({ method: 'POST' })
  @event('user.created')
  async register() {
    return { id: 1 }
  }
}

test('mount refuses an @event without a topic, and names its method', () => {
  expect(() => mount(new Hono(), '/users', Topicless, { messaging: freshMessaging() })).toThrow(
    /@event user\.created on .*register: no topic/,
  )
})

test('a default topic is one', () => {
  expect(() => mount(new Hono(), '/users', Topicless, { messaging: freshMessaging({ defaultTopic: 'user-events' }) })).not.toThrow()
})
