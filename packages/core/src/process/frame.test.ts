import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, onTestFinished, test } from 'vitest'
import { onMemory, quiet, until } from '../../test/kit.ts'
import { CHANNEL } from '../observe/channels.ts'
import { inFrameAsLoaded, inFrameOfItsOwn } from './frame.ts'

const tenant = new AsyncLocalStorage<string>()
const seen = () => tenant.getStore() ?? 'nobody'

test('work runs as when the package was loaded, with its arguments, and what it enters ends with it', () => {
  const enter = (a: number, b: number) => {
    const before = seen()
    tenant.enterWith('inside')
    return [before, a + b]
  }
  tenant.run('caller', () => {
    expect(inFrameAsLoaded(enter, 1, 2)).toEqual(['nobody', 3])
    expect(inFrameAsLoaded(enter, 1, 2)).toEqual(['nobody', 3])
    expect(inFrameOfItsOwn(enter, 1, 2)).toEqual(['caller', 3])
    expect(seen()).toBe('caller')
  })
})

test.each([
  ['synchronous', (entered: () => void) => entered()],
  [
    'that waits first',
    async (entered: () => void) => {
      await undefined
      entered()
    },
  ],
])('what a handler %s enters, no other handler sees, nor what start was called in', async (_, how) => {
  const messaging = onMemory({ concurrency: 4 })
  const log: string[] = []
  messaging.handle({ topic: 't', group: 'g' }, (n: number) => {
    log.push(seen())
    return how(() => tenant.enterWith(`of ${n}`))
  })
  await tenant.run('starter', () => messaging.start())
  await tenant.run('publisher', () =>
    messaging.getProducer().sendAll(
      't',
      [1, 2, 3, 4, 5, 6].map((message) => ({ message })),
    ),
  )
  await until(
    () => log.length === 6,
    () => log,
  )
  expect(log).toEqual(Array.from({ length: 6 }, () => 'nobody'))
})

test('the same for middleware, session, retryIf, resolve, onStart and onClose', async () => {
  const log: string[] = []
  const enter = (what: string) => {
    log.push(`${what}: ${seen()}`)
    tenant.enterWith(what)
  }
  const messaging = onMemory({
    session: async (work) => {
      enter('session')
      return work('tx')
    },
    maxRetries: 1,
    retryDelayMs: 10,
    retryIf: () => {
      enter('retryIf')
      return true
    },
    onStart: () => enter('onStart'),
    onClose: () => enter('onClose'),
    resolve: (type) => {
      enter('resolve')
      return new (type as new () => never)()
    },
  })
  messaging.use({
    handle: async (_, next) => {
      log.push(`middleware: ${seen()}`)
      tenant.enterWith('middleware')
      return next()
    },
  })
  let calls = 0
  // By the message: on a busy machine the retry of one may come before the other.
  const failed = new Set<unknown>()
  messaging.handle({ topic: 't', group: 'g' }, (message) => {
    log.push(`handler: ${seen()}`)
    calls++
    if (failed.has(message)) return
    failed.add(message)
    throw new Error('once each')
  })
  await tenant.run('starter', async () => {
    class Made {}
    await messaging.resolve(Made)
    expect(seen()).toBe('starter')
    await messaging.start()
    expect(seen()).toBe('starter')
  })
  await messaging.getProducer().sendAll('t', [{ message: 1 }, { message: 2 }])
  await until(
    () => calls === 4,
    () => log,
  )
  await tenant.run('closer', () => messaging.close())
  const each = ['session: nobody', 'middleware: session', 'handler: middleware']
  expect(log.toSorted()).toEqual(
    [
      'resolve: nobody',
      'onStart: nobody',
      'onClose: nobody',
      'retryIf: nobody',
      'retryIf: nobody',
      ...each,
      ...each,
      ...each,
      ...each,
    ].sort(),
  )
})

test('what retryIf enters, the retryIf of the next message does not see', async () => {
  const log: string[] = []
  const retryIf = () => {
    log.push(seen())
    tenant.enterWith('retryIf')
    return false
  }
  const messaging = onMemory({ retryIf })
  messaging.handle({ topic: 't', group: 'g' }, () => {
    throw new Error('never')
  })
  await messaging.start()
  await messaging.getProducer().sendAll('t', [{ message: 1 }, { message: 2 }, { message: 3 }])
  await until(
    () => log.length === 3,
    () => log,
  )
  expect(log).toEqual(['nobody', 'nobody', 'nobody'])
})

test('a subscriber sees the caller of a publish; what it enters nobody else sees', async () => {
  const messaging = onMemory()
  const log: string[] = []
  const enter = (channel: string) => () => {
    log.push(`${channel}: ${seen()}`)
    tenant.enterWith(channel)
  }
  for (const channel of [CHANNEL.publish, CHANNEL.deliver, CHANNEL.handle, CHANNEL.settle]) {
    const told = enter(channel)
    subscribe(channel, told)
    onTestFinished(() => void unsubscribe(channel, told))
  }
  messaging.handle({ topic: 't', group: 'g' }, () => void log.push(`handler: ${seen()}`))
  await messaging.start()
  await tenant.run('publisher', async () => {
    await messaging.getProducer().send('t', 1)
    expect(seen()).toBe('publisher')
  })
  await until(
    () => log.length === 5,
    () => log,
  )
  await quiet()
  expect(log.toSorted()).toEqual(
    [
      `${CHANNEL.publish}: publisher`,
      `${CHANNEL.deliver}: nobody`,
      'handler: nobody',
      `${CHANNEL.handle}: nobody`,
      `${CHANNEL.settle}: nobody`,
    ].sort(),
  )
})
