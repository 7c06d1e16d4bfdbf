import { describe, expect, test } from 'vitest'
import { collector } from '../../test/kit.ts'
import { readConfig } from '../config/config.ts'
import type { ConnectionState, Driver } from '../driver.ts'
import { Observer } from '../observe/observer.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { Connection } from './connection.ts'

interface Broker {
  /** How the connects end, one after another; then they are fine. */
  readonly connects?: (() => Promise<void>)[]
  readonly load?: Promise<void>
  readonly differences?: { what: string; wanted: string; found: string }[]
}

function connectionTo({ connects = [], load = Promise.resolve(), differences = [] }: Broker = {}) {
  const { logger, lines } = collector('info')
  const clock = new VirtualClock()
  const log: string[] = []
  let tell: (state: ConnectionState) => void = () => undefined
  const connection = new Connection({
    config: readConfig({ broker: 'rabbitmq', url: 'amqp://user:secret@host/', service: 's' }, { env: {} }),
    clock,
    observer: new Observer({ service: 's', logger }),
    logger,
    load: async () => {
      log.push('load')
      await load
      const closed = Promise.withResolvers<never>()
      closed.promise.catch(() => undefined)
      return {
        connect: async (onState: typeof tell) => {
          log.push('connect')
          tell = onState
          await Promise.race([connects.shift()?.(), closed.promise])
        },
        ensure: async (topology: { topics: readonly string[] }) => {
          log.push(`ensure ${topology.topics}`)
          return differences
        },
        close: async () => {
          log.push('close')
          closed.reject(new Error('closed while connecting'))
        },
      } as unknown as Driver
    },
  })
  return { connection, clock, log, lines, tell: (state: ConnectionState) => tell(state) }
}

const never = () => new Promise<void>(() => undefined)

describe('a connection', () => {
  test('is made once, at the first use, and says where without secrets', async () => {
    const { connection, log, lines } = connectionTo()
    expect([connection.state(), log]).toEqual(['idle', []])
    const [one, two] = await Promise.all([connection.driver(), connection.driver()])
    expect(one).toBe(two)
    expect([connection.state(), log]).toEqual(['connected', ['load', 'connect']])
    expect(lines.map(({ msg }) => msg)).toEqual(['broker rabbitmq at amqp://user:***@host/ (code)'])
    expect(JSON.stringify(lines)).not.toContain('secret')
  })

  test('that failed is closed, and tried anew by the next use; it is announced once', async () => {
    const { connection, log, lines } = connectionTo({ connects: [() => Promise.reject(new Error('refused'))] })
    await expect(connection.driver()).rejects.toThrow('refused')
    expect(connection.state()).toBe('unreachable')
    await connection.driver()
    expect(log).toEqual(['load', 'connect', 'close', 'load', 'connect'])
    expect(lines).toHaveLength(1)
  })

  test('says that it is lost, once, what else keeps it away, that it is back, and after how long', async () => {
    const { connection, clock, lines, tell } = connectionTo()
    await connection.driver()
    for (const why of ['ECONNRESET', 'ECONNRESET', 'ACCESS_REFUSED', 'ACCESS_REFUSED'])
      tell({ kind: 'reconnecting', error: new Error(why) })
    await clock.advance(12_340)
    tell({ kind: 'connected' })
    tell({ kind: 'blocked', error: new Error('low on memory') })
    expect(lines.slice(1).map(({ level, msg }) => [level, msg.replace('rabbitmq at amqp://user:***@host/', '-')])).toEqual([
      [40, 'broker - is lost, coming back by itself: ECONNRESET'],
      [40, 'broker - cannot be reached again yet, still trying: ACCESS_REFUSED'],
      [30, 'broker - is back after 12.3 s'],
      [40, 'broker - takes no publishes: low on memory'],
    ])
  })
})

describe('close', () => {
  test('ends a connect that hangs, and nothing connects after it', async () => {
    const { connection, clock, log } = connectionTo({ connects: [never] })
    const connecting = connection.driver().catch((error: unknown) => error)
    await clock.settle()
    await connection.close()
    expect(await connecting).toMatchObject({ code: 'CLOSED' })
    await expect(connection.driver()).rejects.toMatchObject({ code: 'CLOSED' })
    await connection.close()
    expect(log.filter((step) => step === 'connect')).toHaveLength(1)
  })

  test('while the driver is being loaded connects to nothing', async () => {
    const load = Promise.withResolvers<void>()
    const { connection, log } = connectionTo({ load: load.promise })
    const connecting = connection.driver().catch((error: unknown) => error)
    await connection.close()
    load.resolve()
    expect(await connecting).toMatchObject({ code: 'CLOSED' })
    expect(log).toEqual(['load'])
  })
})

describe('what must be there', () => {
  test('is declared once a topic', async () => {
    const { connection, log } = connectionTo()
    await Promise.all([connection.ensureTopic('a'), connection.ensureTopic('a')])
    expect(connection.ensureTopic('a')).toBeUndefined()
    await connection.ensure({ topics: ['b'], groups: [] })
    expect(connection.ensureTopic('b')).toBeUndefined()
    expect(log.filter((step) => step.startsWith('ensure'))).toEqual(['ensure a', 'ensure b'])
  })

  test('and differs is an error that prints what, and is asked again', async () => {
    const differences = [{ what: 'queue "g"', wanted: 'durable', found: 'transient' }]
    const { connection, log } = connectionTo({ differences })
    await expect(connection.ensureTopic('a')).rejects.toMatchObject({
      code: 'TOPOLOGY',
      message: expect.stringMatching(/\n {2}- queue "g": wanted durable, found transient$/),
    })
    differences.pop()
    await connection.ensureTopic('a')
    expect(log.filter((step) => step.startsWith('ensure'))).toEqual(['ensure a', 'ensure a'])
  })
})
