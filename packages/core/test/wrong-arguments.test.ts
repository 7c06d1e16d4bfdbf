import { expect, test } from 'vitest'
import { z } from 'zod'
import { createMessaging, defineEvent, event, exponential } from '../src/index.ts'
import { onMemory } from './kit.ts'

const X = defineEvent('x', z.object({ id: z.number() }), { topic: 't' })
const handler = () => undefined

/** As plain JavaScript may call it. */
const wrong = (options: unknown) => options as never

test.each<[what: string, call: (options: unknown) => unknown, code?: string]>([
  ['on', (options) => onMemory().on(X, wrong(options), handler)],
  ['handle', (options) => onMemory().handle(wrong(options), handler)],
  ['publishEvent', (options) => onMemory().publishEvent(X, { id: 1 }, wrong(options))],
  ['emit', (options) => onMemory().emit(X, { id: 1 }, wrong(options))],
  ['send', (options) => onMemory().getProducer().send('t', 1, wrong(options))],
  ['use', (options) => onMemory().use(wrong(options))],
  ['start', (options) => onMemory().start(wrong(options))],
  ['openRequest', (options) => onMemory().openRequest(wrong(options))],
  ['defineEvent', (options) => defineEvent('y', z.object({}), wrong(options))],
  ['exponential', (options) => exponential(wrong(options))],
  ['createMessaging', (options) => createMessaging(wrong(options)), 'CONFIG'],
])('what is no object, and a name that is misspelt, are errors of ours at %s', async (_, call, code = 'OPTION') => {
  const rejection = async (options: unknown): Promise<unknown> => {
    try {
      await call(options)
    } catch (thrown) {
      return thrown
    }
    return 'it was accepted'
  }
  for (const none of [null, 5, 'topic', ['t']])
    expect([none, await rejection(none)]).toEqual([
      none,
      expect.objectContaining({ code, message: expect.stringContaining('must be an object') }),
    ])
  expect(await rejection({ nobodys: 1 })).toMatchObject({ code, message: expect.stringContaining('nobodys is not an option.') })
})

test('sendAll names the message whose option is misspelt, and publishes the others', async () => {
  const messaging = onMemory()
  const sent = messaging.getProducer().sendAll('t', [
    { message: 1, id: 'a', kye: 'k' },
    { message: 2, id: 'b' },
  ] as never)
  await expect(sent).rejects.toMatchObject({ failures: [{ id: 'a', permanent: true, cause: { code: 'OPTION' } }] })
  expect(messaging.counters.published).toBe(1)
})

test.each<[what: string, call: (type: never) => unknown]>([
  ['on', (type) => onMemory().on(type, {}, handler)],
  ['emit', (type) => onMemory().emit(type, {}, { topic: 't' })],
  ['publishEvent', (type) => onMemory().publishEvent(type, {}, { topic: 't' })],
  ['@event', (type) => event(type)(class {}.prototype, 'method', { value: handler } as never)],
])('what is no event, as an import in a circle of files, is an error of ours at %s', async (_, call) => {
  for (const none of [undefined, null, 7, { name: 'x' }]) {
    const rejection = async () => call(none as never)
    await expect(rejection()).rejects.toMatchObject({
      code: 'EVENT_TYPE',
      message: expect.stringContaining('needs an event made by defineEvent'),
    })
  }
  await expect((async () => call(undefined as never))()).rejects.toThrow('do two files import each other?')
})
