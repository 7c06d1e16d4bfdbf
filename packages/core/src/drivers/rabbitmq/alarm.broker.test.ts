import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { startRabbitmq } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createMessaging } from '../../messaging.ts'
import { CHANNEL, type StateRecord } from '../../observe/channels.ts'
import { newId } from '../../wire/id.ts'
import { openRoom, until } from './fixtures/room.ts'

// What a service and whoever watches it see of an alarm. Other brokers have none, so this is not in the list.

const running = await startRabbitmq()
afterAll(() => running?.stop())

describe.skipIf(!running)('a RabbitMQ that is short of memory', () => {
  test('is one state and one line each way; publishes reject at their deadline and say why; handlers go on', async () => {
    const service = `alarm-${newId()}`
    const states: string[] = []
    const watch = (record: unknown) => {
      const { service: of, state, group } = record as StateRecord
      if (of === service && group === undefined) states.push(state)
    }
    subscribe(CHANNEL.state, watch)
    onTestFinished(() => void unsubscribe(CHANNEL.state, watch))
    const lines: string[] = []
    const logger = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line).msg) })
    const messaging = createMessaging({ broker: 'rabbitmq', url: running?.url ?? '', service, logger, publish: { timeoutMs: 700 } })
    onTestFinished(() => messaging.close())
    const handled: unknown[] = []
    let goOn = () => {}
    const alarmed = new Promise<void>((resolve) => {
      goOn = resolve
    })
    messaging.handle({ topic: service, group: 'g' }, async (message) => {
      await alarmed
      handled.push(message)
    })
    await messaging.start()
    const producer = messaging.getProducer()
    await producer.send(service, 'before')

    await running?.ctl('set_vm_memory_high_watermark', '0.00001')
    onTestFinished(() => running?.ctl('set_vm_memory_high_watermark', '0.4').then(() => {}))
    // The broker looks at its memory now and then.
    await until(async () => String(await running?.ctl('eval', 'rabbit_alarm:get_alarms().')).includes('memory'))
    const startedAt = performance.now()
    const blocked =
      /^message \S+ not confirmed: no confirm within 700 ms \(publish.timeoutMs\): RabbitMQ at \S+ takes no messages now: low on memory; the message may/
    // The broker blocks a connection when it publishes next.
    await expect(producer.send(service, 'during')).rejects.toMatchObject({ code: expect.stringMatching(/PUBLISH/) })
    await until(() => states.at(-1) === 'blocked')
    for (let n = 0; n < 5; n++) await expect(producer.send(service, 'during')).rejects.toThrow(blocked)
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    goOn()
    await until(() => handled.length === 1)

    await running?.ctl('set_vm_memory_high_watermark', '0.4')
    await until(() => states.at(-1) === 'connected')
    await producer.send(service, 'after')
    await until(() => handled.includes('after'))
    expect(states).toEqual(['connected', 'blocked', 'connected'])
    expect(lines.filter((line) => line.includes('takes no publishes'))).toEqual([
      expect.stringMatching(/^broker rabbitmq at .* takes no publishes: RabbitMQ at .* takes no messages now: low on memory$/),
    ])
    expect(lines.filter((line) => line.includes('is back after'))).toHaveLength(1)
    expect(handled[0]).toBe('before')
  })

  test('keeps no member from closing, also one that has something to say', async () => {
    const { connected } = openRoom(running?.url ?? '')
    const driver = await connected({ publishTimeoutMs: 30_000 })
    await driver.members?.tell('g', 'a', 'before', 60_000)
    await running?.ctl('set_vm_memory_high_watermark', '0.00001')
    onTestFinished(() => running?.ctl('set_vm_memory_high_watermark', '0.4').then(() => {}))
    await until(async () => String(await running?.ctl('eval', 'rabbit_alarm:get_alarms().')).includes('memory'))
    const telling = driver.members?.tell('g', 'a', 'during', 60_000).then(
      () => 'told',
      ({ code }) => code,
    )
    const joining = driver.members?.list('other').then(
      () => 'listed',
      ({ code }) => code,
    )
    await until(() => driver.states.at(-1)?.kind === 'blocked')
    const startedAt = performance.now()
    await driver.close()
    expect(performance.now() - startedAt).toBeLessThan(6_000)
    expect([await telling, await joining]).toEqual(['CLOSED', 'CLOSED'])
  })
})
