import { expect, onTestFinished, test } from 'vitest'
import { loadDriver } from '../broker/load-driver.ts'
import { systemClock } from '../clock.ts'
import type { Driver, Message } from '../driver.ts'
import { PublishError, type PublishFailure } from '../errors.ts'
import { newId } from '../wire/id.ts'
import { type Bridged, bridge } from './bridge.ts'

const GROUP = 'corebus-bridge'

async function broker(): Promise<Driver> {
  const options = { service: 's', prefix: '', publishTimeoutMs: 1_000, clock: systemClock, durability: 'normal', tls: false } as const
  const driver = await loadDriver('memory', { ...options, url: `memory://${newId()}` })
  await driver.connect(() => {})
  onTestFinished(() => driver.close())
  return driver
}

const messages = (count: number, id: (n: number) => string = () => newId()): readonly Message[] =>
  Array.from({ length: count }, (_, n) => ({
    id: id(n),
    topic: 't',
    key: `k${n % 3}`,
    headers: { n: String(n) },
    body: new Uint8Array([n]),
  }))

/** The same with a say in what it takes. */
const choosy = (driver: Driver, refuses: (message: Message) => PublishFailure | undefined): Driver => ({
  ...driver,
  async publish(all) {
    const failures = all.flatMap((message) => refuses(message) ?? [])
    const failed = new Set(failures.map(({ id }) => id))
    await driver.publish(all.filter(({ id }) => !failed.has(id)))
    if (failures.length > 0) throw new PublishError(failures)
  },
})

async function copied(source: Driver, target: Driver): Promise<{ readonly bridged: Bridged; readonly troubles: readonly string[] }> {
  const bridged = { copied: 0, refused: 0 }
  const troubles: string[] = []
  await source.ensure({ topics: ['t'], groups: [{ topic: 't', group: GROUP, delays: [], deadLetter: {} }] }, 'create')
  await bridge({
    source,
    target,
    topics: ['t'],
    group: GROUP,
    from: 'earliest',
    clock: systemClock,
    bridged,
    untilEmpty: true,
    signal: new AbortController().signal,
    onTrouble: (what) => troubles.push(what),
  })
  return { bridged, troubles }
}

async function everything(driver: Driver): Promise<readonly Message[]> {
  const all: Message[] = []
  const tail = await driver.tail({ topic: 't', from: 'earliest', onMessages: (some) => all.push(...some) })
  const { kept } = (await driver.admin.topics(['t']))[0] ?? {}
  await expect.poll(() => all.length).toBe(kept)
  await tail.stop()
  return all
}

test('what the target would never take is a dead letter with the reason, and the rest is copied', async () => {
  const [source, target] = [await broker(), await broker()]
  const sent = messages(10)
  await source.publish(sent)
  const tooLarge = (message: Message) =>
    message.id === sent[4]?.id ? { id: message.id, permanent: true, cause: new Error('too large for it') } : undefined
  const { bridged } = await copied(source, choosy(target, tooLarge))
  expect(bridged).toEqual({ copied: 9, refused: 1 })
  expect((await everything(target)).map(({ id }) => id)).toEqual(sent.map(({ id }) => id).filter((id) => id !== sent[4]?.id))
  const [letter, ...more] = (await source.admin.deadLetters({ group: GROUP })).letters
  expect(more).toEqual([])
  expect(letter?.message).toMatchObject({ id: sent[4]?.id, headers: { 'corebus-error': expect.stringContaining('too large for it') } })
})

test('what it does not take now is tried again before anything later, and said', async () => {
  const [source, target] = [await broker(), await broker()]
  const sent = messages(1_200)
  await source.publish(sent)
  let left = 2
  const busy = ({ id }: Message) => (id === sent[100]?.id && left-- > 0 ? { id, permanent: false, cause: new Error('busy') } : undefined)
  const { bridged, troubles } = await copied(source, choosy(target, busy))
  expect(bridged).toEqual({ copied: 1_200, refused: 0 })
  expect(troubles).toEqual(Array(2).fill(expect.stringContaining('the target has not taken 1 messages yet, which are tried again: busy')))
  const ids = (await everything(target)).map(({ id }) => id)
  expect(ids.toSorted()).toEqual(sent.map(({ id }) => id).sort())
  // At most a batch is in front of it.
  expect(ids.indexOf(sent[100]?.id ?? '')).toBeLessThan(500)
})

test('foreign messages without an id get one each', async () => {
  const [source, target] = [await broker(), await broker()]
  await source.publish(messages(3, () => ''))
  expect((await copied(source, target)).bridged.copied).toBe(3)
  const ids = (await everything(target)).map(({ id }) => id)
  expect(new Set(ids).size).toBe(3)
  expect(ids).not.toContain('')
})
