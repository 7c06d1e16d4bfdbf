import { describe, expect, test } from 'vitest'
import { collector, deadLetters, onMemory, until } from '../../test/kit.ts'
import type { HandlerContext } from '../handlers/handler.ts'
import { consumer, onEvent } from './consumer.ts'
import { messageHandler } from './message-handler.ts'

// What does not depend on the mode of decorators.

describe('instances', () => {
  class Box {
    readonly name: string
    constructor(name: string) {
      this.name = name
    }
  }

  @consumer('needs', { topics: ['t'] })
  class Needs {
    readonly box: Box
    readonly seen: string[] = []
    constructor(box: Box) {
      this.box = box
    }
    @onEvent('a')
    one() {
      this.seen.push(`one ${this.box.name}`)
    }
    @onEvent('b')
    two() {
      this.seen.push(`two ${this.box.name}`)
    }
  }

  test('a constructor with arguments and no resolve is an error at start', async () => {
    await expect(onMemory({ handlers: [Needs] }).start()).rejects.toMatchObject({
      code: 'RESOLVE',
      message: expect.stringMatching(/^Needs has a constructor with arguments: give configureMessaging a resolve/),
    })
  })

  test.each<[string, (made: Needs) => unknown]>([
    ['at once', (made) => made],
    ['later', async (made) => made],
  ])('resolve makes the one instance, %s', async (_, answer) => {
    const made: Needs[] = []
    const messaging = onMemory({
      handlers: [Needs],
      resolve: ((type: unknown) => {
        expect(type).toBe(Needs)
        const needs = new Needs(new Box('a box'))
        made.push(needs)
        return answer(needs)
      }) as never,
    })
    await messaging.start()
    for (const name of ['a', 'b']) await messaging.publishEvent(name, {}, { topic: 't' })
    await until(
      () => made[0]?.seen.length === 2,
      () => made,
    )
    expect(made.map(({ seen }) => [...seen].sort())).toEqual([['one a box', 'two a box']])
    expect(await messaging.resolve(Needs)).toBe(made[0])
  })

  test('what resolve returns must have the methods', async () => {
    const messaging = onMemory({ handlers: [Needs], resolve: (() => ({})) as never })
    await expect(messaging.start()).rejects.toMatchObject({
      code: 'HANDLERS',
      message: expect.stringMatching(/^Needs\.one is not a method of what resolve returned/),
    })
  })
})

describe('options', () => {
  test('of the class hold for its methods, and a method’s own come first', async () => {
    @consumer('retried', { maxRetries: 1, retryDelayMs: 1 })
    class Retried {
      @messageHandler({ topic: 'classes' })
      byClass() {
        throw new Error('no')
      }
      @messageHandler({ topic: 'methods', maxRetries: 0, deadLetter: { name: 'dead.{topic}' } })
      byMethod() {
        throw new Error('no')
      }
    }
    const messaging = onMemory({ handlers: [Retried], maxRetries: 7 })
    await messaging.start()
    for (const topic of ['classes', 'methods']) await messaging.getProducer().send(topic, 1)
    await until(
      () => messaging.counters.dead === 2,
      () => messaging.counters,
    )
    const letters = (await deadLetters(messaging)).map(({ message, place }) => [message.topic, place, message.headers['corebus-attempt']])
    expect(letters.sort()).toEqual([
      ['classes', 'classes.retried.dlq', '2'],
      ['methods', 'dead.methods', '1'],
    ])
  })

  test.each<[string, () => new () => object, string, RegExp]>([
    [
      'a misspelt option of the class',
      () => {
        @consumer('x', { topcis: ['t'] } as never)
        class A {
          @onEvent('a')
          one() {}
        }
        return A
      },
      'OPTION',
      /^@consumer A: topcis is not an option\. Did you mean topics\?/,
    ],
    [
      'an option of a group on a method',
      () => {
        @consumer('x', { topics: ['t'] })
        class A {
          @onEvent('a', { concurrency: 3 } as never)
          one() {}
        }
        return A
      },
      'OPTION',
      /^@onEvent A\.one: concurrency is an option of the group: give it to @consumer/,
    ],
    [
      'a group on a method',
      () => {
        @consumer('x')
        class A {
          @messageHandler({ topic: 't', group: 'y' } as never)
          one() {}
        }
        return A
      },
      'OPTION',
      /^@messageHandler A\.one: group is an option of the group: give it to @consumer/,
    ],
    [
      'a consumer without handlers',
      () => {
        @consumer('x')
        class A {}
        return A
      },
      'HANDLERS',
      /^@consumer A has no handlers/,
    ],
    ['a class that is no consumer', () => class A {}, 'HANDLERS', /^A is listed as a handler, but has no @consumer\(group\)/],
  ])('%s is an error at start', async (_, make, code, message) => {
    await expect(onMemory({ handlers: [make()] }).start()).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  test('two handlers of one event in one group are named', async () => {
    @consumer('same', { topics: ['t'] })
    class First {
      @onEvent('a')
      one() {}
    }
    @consumer('same', { topics: ['t'] })
    class Second {
      @onEvent('a')
      two() {}
    }
    await expect(onMemory({ handlers: [First, Second] }).start()).rejects.toThrow(
      /First\.one and Second\.two both handle event a of topic t in group same\. Give one of them its own group/,
    )
  })
})

test('several classes share a group, and nothing else', async () => {
  class Counting {
    calls = 0
  }
  @consumer('shared', { topics: ['t'], concurrency: 2 })
  class First extends Counting {
    @onEvent('a')
    one(_: unknown, { logger }: HandlerContext) {
      logger.info({ calls: ++this.calls }, 'first')
    }
  }
  @consumer('shared', { topics: ['t'] })
  class Second extends Counting {
    @onEvent('b')
    one(_: unknown, { logger }: HandlerContext) {
      logger.info({ calls: ++this.calls }, 'second')
    }
  }
  const { logger, lines } = collector('info')
  const messaging = onMemory({ handlers: [First, Second], logger })
  await messaging.start()
  for (const name of ['a', 'b', 'a']) await messaging.publishEvent(name, {}, { topic: 't' })
  await until(
    () => messaging.counters.handled === 3,
    () => messaging.counters,
  )
  const calls = (name: string) => lines.filter(({ msg }) => msg === name).map((line) => line.calls)
  expect([calls('first'), calls('second')]).toEqual([[1, 2], [1]])
})
