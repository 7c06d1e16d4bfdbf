import { pino } from 'pino'
import { expect, test } from 'vitest'
import { Reject, RetryLater } from '../src/index.ts'
import { collector, deadLetters, onMemory, until } from './kit.ts'

// Whatever a handler throws and whatever a logger does: the message is retried or dead, its neighbours go on, and the process lives.

class Hidden extends Error {
  override get message(): string {
    throw new Error('not for you')
  }
}

class OnceOnly extends Error {
  #read = false
  override get message(): string {
    if (this.#read) throw new Error('once')
    this.#read = true
    return 'once'
  }
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable(new Error('x'), {})
  revoke()
  return proxy
}

const later = new RetryLater(1)
Object.defineProperty(later, 'ms', { value: { valueOf: () => expect.fail() } })

const THROWN: readonly [what: string, thrown: () => unknown, message: string][] = [
  ['an error whose message throws', () => new Hidden(), 'an error whose message cannot be read'],
  ['one whose message can be read once', () => new OnceOnly(), 'once'],
  ['a proxy that was revoked', revoked, 'thrown: a value that cannot be read'],
  ['a symbol', () => Symbol('s'), 'thrown: Symbol(s)'],
  ['nothing', () => undefined, 'thrown: undefined'],
  ['an object without a prototype', () => Object.create(null), 'thrown: {}'],
  ['Reject whose name is no text', () => Object.assign(new Reject('r'), { name: 7 }), 'r'],
  ['a very long message', () => new Error('x'.repeat(1_000_000)), `${'x'.repeat(8_189)}…`],
  ['a message with a password', () => new Error('postgres://app:s3cret@db/x'), 'postgres://app:***@db/x'],
  ['half a surrogate', () => new Error('\ud800'), '�'],
]

test.each(THROWN)('%s is a dead letter, and the next message is handled', async (_, thrown, message) => {
  const { logger, lines } = collector()
  const messaging = onMemory({ logger })
  const handled: unknown[] = []
  messaging.handle({ topic: 't', group: 'g', maxRetries: 1, retryDelayMs: 1 }, (input: string) => {
    if (input === 'bad') throw thrown()
    handled.push(input)
  })
  await messaging.start()
  await messaging.getProducer().send('t', 'bad')
  await messaging.getProducer().send('t', 'good')
  await until(
    async () => (await deadLetters(messaging)).length === 1,
    () => lines,
  )
  await until(
    () => handled.length === 1,
    () => handled,
  )
  const [letter] = await deadLetters(messaging)
  expect(letter?.message.headers['corebus-error']).toBe(message)
  expect(JSON.stringify(lines)).not.toContain('s3cret')
})

test('RetryLater whose time is no number comes back, and is counted as one', async () => {
  const messaging = onMemory()
  let calls = 0
  messaging.handle({ topic: 't', group: 'g' }, () => {
    if (calls++ === 0) throw later
  })
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(
    () => calls === 2,
    () => calls,
    5_000,
  )
})

test.each([
  ['throws', pino({ level: 'trace' }, { write: () => expect.fail('the disk is full') })],
  ['throws for every child', Object.assign(Object.create(pino({ level: 'silent' })), { child: () => expect.fail('no children') })],
])('a logger that %s touches no message', async (_, logger) => {
  const messaging = onMemory({ logger })
  const handled: unknown[] = []
  messaging.handle({ topic: 't', group: 'g', maxRetries: 1, retryDelayMs: 1 }, (input: string, { attempt }) => {
    if (input === 'dead' || attempt === 1) throw new Error('no')
    handled.push(input)
  })
  await messaging.start()
  await messaging.getProducer().send('t', 'dead')
  await messaging.getProducer().send('t', 'good')
  await until(
    () => handled.length === 1,
    () => handled,
  )
  await until(
    async () => (await deadLetters(messaging)).length === 1,
    () => 'no letter',
  )
})
