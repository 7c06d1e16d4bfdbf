import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type PublishError, SettleError } from '../../errors.ts'
import { sqliteDriver } from './driver.ts'
import { ack, driverOptions, message, messages, newPlace, type Place, quiet, take, until } from './fixtures/broker.ts'

let place: Place
beforeEach(() => {
  place = newPlace()
})
afterEach(() => place.remove())

function foreign(sql: string): void {
  const db = new DatabaseSync(place.path)
  db.exec(sql)
  db.close()
}

test('refuses a database of something else and leaves it as it is', async () => {
  foreign('CREATE TABLE users (id)')
  const before = readFileSync(place.path)
  await expect(place.open()).rejects.toMatchObject({ code: 'BROKER_FILE_FOREIGN' })
  expect(readFileSync(place.path)).toEqual(before)
})

test('refuses a file that is no database', async () => {
  writeFileSync(place.path, 'some text that somebody needs\n'.repeat(100))
  await expect(place.open()).rejects.toMatchObject({ code: 'BROKER_FILE_FOREIGN', message: expect.stringContaining(place.path) })
})

test('refuses a file of another version and says which', async () => {
  await (await place.open()).close()
  foreign('PRAGMA user_version = 7')
  await expect(place.open()).rejects.toMatchObject({ code: 'BROKER_FILE_VERSION', message: expect.stringMatching(/format 7/) })
})

test('takes an empty file and a file whose directory is missing', async () => {
  writeFileSync(place.path, '')
  await (await place.open()).publish(messages(1))
  await (await place.open({ url: join(place.folder, 'a', 'b', 'c.db') })).publish(messages(1))
})

test('refuses a directory in the place of its file', async () => {
  mkdirSync(place.path)
  await expect(place.open()).rejects.toMatchObject({ code: 'BROKER_FILE_PERMISSION' })
})

test('refuses a network file system', async () => {
  await expect(place.open({}, { fileSystemOf: () => 0x6969 })).rejects.toMatchObject({
    code: 'BROKER_FILE_NETWORK',
    message: expect.stringMatching(/NFS/),
  })
})

test('says that a file is damaged, on connecting or later', async () => {
  const driver = await place.open()
  await driver.publish(Array.from({ length: 200 }, (_, i) => message(`m${i}`, { body: new Uint8Array(4_000) })))
  await driver.close()
  const file = openSync(place.path, 'r+')
  const size = readFileSync(place.path).length
  const rubbish = Buffer.alloc(4_096, 0x5a)
  for (let at = 4_096; at < size; at += 4_096) writeSync(file, rubbish, 0, 4_096, at)
  closeSync(file)
  const broken = await place.open().catch((error: Error) => error)
  if (broken instanceof Error) return expect(broken).toMatchObject({ code: 'BROKER_FILE_CORRUPT' })
  const refused = await broken.publish(messages(1)).catch((error: PublishError) => error)
  expect((refused as PublishError).failures[0]?.cause).toMatchObject({ code: 'BROKER_FILE_CORRUPT' })
})

test('says that a file cannot be written', async () => {
  await (await place.open()).close()
  const driver = await place.open({}, { readOnly: true })
  const refused = await driver.publish(messages(1)).catch((error: PublishError) => error)
  expect((refused as PublishError).failures).toMatchObject([{ id: 'm0', permanent: false, cause: { code: 'BROKER_FILE_READONLY' } }])
  await expect(take(driver)).rejects.toMatchObject({ code: 'BROKER_FILE_READONLY' })
})

test('says that its disk is mounted read-only, or that it may not write there', async ({ skip }) => {
  const mounted = join(place.folder, 'mounted')
  mkdirSync(mounted)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'tmpfs', mounted]).status !== 0) skip('needs the right to mount a file system')
  try {
    await expect(place.open({ url: join(mounted, 'messages.db') })).rejects.toMatchObject({ code: 'BROKER_FILE_READONLY' })
  } finally {
    spawnSync('umount', [mounted])
  }
})

test('a full disk rejects what is published, keeps what was delivered, says so once, and is over when there is room', async () => {
  const driver = await place.open({}, { maxPages: 300 })
  await driver.ensure({ topics: ['t'], groups: [] }, 'create')
  const { subscription, got, states } = await take(driver, { limit: 5 })
  const big = (i: number) => message(`m${i}`, { body: new Uint8Array(20_000), key: 'same' })
  const stored: string[] = []
  let refused: unknown
  for (let i = 0; !refused && i < 100; i++) {
    await driver.publish([big(i)]).then(
      () => stored.push(`m${i}`),
      (error: unknown) => {
        refused = error
      },
    )
  }
  expect((refused as PublishError).failures).toMatchObject([{ permanent: false, cause: { code: 'BROKER_DISK_FULL' } }])
  expect(driver.states.map(({ kind }) => kind)).toEqual(['connected', 'blocked'])
  await until('some', () => got.length === 5)
  const dead = got.map((delivery) => ({ kind: 'deadLetter' as const, delivery, headers: {} }))
  for (let again = 0; again < 3; again++) {
    const failure = await subscription.settle(dead).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(SettleError)
    expect((failure as SettleError).deliveries).toEqual(got.slice(0, 5))
  }
  expect(states).toEqual(['consuming', 'reconnecting'])
  await driver.close()
  const roomy = await place.open()
  const taker = await take(roomy, { settling: 'ack' })
  await until('everything that was confirmed', () => taker.got.length === stored.length)
  expect(taker.ids()).toEqual(stored)
})

test('goes on by itself when a really full disk has room again', async ({ skip }) => {
  const mounted = join(place.folder, 'small')
  mkdirSync(mounted)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mounted]).status !== 0) skip('needs the right to mount a file system')
  try {
    const driver = await place.open({ url: join(mounted, 'messages.db') })
    const { subscription, got, states } = await take(driver, { limit: 5 })
    const stored: string[] = []
    let refused: unknown
    for (let i = 0; !refused; i++) {
      await driver.publish([message(`m${i}`, { body: new Uint8Array(20_000) })]).then(
        () => stored.push(`m${i}`),
        (error: unknown) => {
          refused = error
        },
      )
    }
    expect((refused as PublishError).failures).toMatchObject([{ cause: { code: 'BROKER_DISK_FULL' } }])
    await until('five', () => got.length === 5)
    await expect(subscription.settle(got.map((delivery) => ({ kind: 'deadLetter', delivery, headers: {} })))).rejects.toBeInstanceOf(
      SettleError,
    )
    expect(spawnSync('mount', ['-o', 'remount,size=20m', mounted]).status).toBe(0)
    const settled = new Set<string>()
    await until('all that was confirmed', async () => {
      const open = got.filter(({ message: { id } }) => !settled.has(id))
      for (const {
        message: { id },
      } of open)
        settled.add(id)
      await ack(subscription, open)
      return settled.size === stored.length
    })
    expect(states).toEqual(['consuming', 'reconnecting', 'consuming'])
    await driver.publish([message('more')])
    await driver.close()
  } finally {
    spawnSync('umount', [mounted])
  }
})

test('waits for a file that another process has locked, without stopping this one, and gives up in time', async () => {
  const driver = await place.open({ publishTimeoutMs: 400 })
  await driver.publish(messages(1))
  const { subscription, got } = await take(driver)
  await until('it', () => got.length === 1)
  const tool = new DatabaseSync(place.path)
  tool.exec('BEGIN IMMEDIATE')
  let ticks = 0
  const ticking = setInterval(() => ticks++, 10)
  const settled = ack(subscription, got)
  const refused = await driver.publish(messages(2, {}, 1)).catch((error: PublishError) => error)
  clearInterval(ticking)
  expect((refused as PublishError).failures).toMatchObject([
    { id: 'm1', permanent: false, cause: { code: 'BROKER_FILE_LOCKED' } },
    { id: 'm2', permanent: false },
  ])
  // On a machine that has nothing else to do it is about forty; of one that is waited for, one or two.
  expect(ticks).toBeGreaterThan(5)
  expect(await driver.admin.depth('t', 'g')).toMatchObject({ inFlight: 1 })
  tool.exec('COMMIT')
  tool.close()
  await settled
  await driver.publish(messages(1, {}, 3))
  await until('the next', () => got.length === 2)
  expect(got[1]?.message.id).toBe('m3')
})

for (const [how, vanish] of [
  ['deleted', (path: string) => ['', '-wal', '-shm'].forEach((end) => void rmSync(path + end, { force: true }))],
  ['moved away', (path: string) => renameSync(path, `${path}.old`)],
] as const) {
  test(`a file that is ${how} while running is made anew: said, nothing confirmed after it is lost, groups and topics are back`, async () => {
    const driver = await place.open()
    await driver.ensure({ topics: ['t', 'declared'], groups: [] }, 'create')
    const { subscription, got, lost, states } = await take(driver, { from: 'latest' })
    await driver.publish(messages(3))
    await until('all', () => got.length === 3)
    vanish(place.path)
    // Confirmed at any moment after: it is in the new file.
    await driver.publish([message('after')])
    await until('the new one', () => got.length === 4)
    expect(got[3]?.message.id).toBe('after')
    expect(lost.map(({ message: { id } }) => id).sort()).toEqual(['m0', 'm1', 'm2'])
    await ack(subscription, got)
    expect(states).toEqual(['consuming', 'reconnecting', 'consuming'])
    expect(driver.states.map(({ kind }) => kind)).toEqual(['connected', 'reconnecting', 'connected'])
    expect(await driver.admin.topics()).toMatchObject([{ topic: 't', groups: ['g'] }, { topic: 'declared' }])
    expect(await driver.admin.depth('t', 'g')).toMatchObject({ ready: 0, inFlight: 0 })
  })
}

test('an idle member notices within two seconds that its file is gone', async () => {
  const driver = await place.open()
  const { states } = await take(driver)
  await quiet(100)
  rmSync(place.path)
  const at = Date.now()
  await until('back', () => states.length === 3)
  expect(Date.now() - at).toBeLessThan(2_500)
})

test('close during connect and connect after close leave nothing behind', async () => {
  const driver = sqliteDriver(driverOptions(place.path))
  const connecting = driver.connect(() => {}).catch((error: unknown) => error)
  await driver.close()
  await connecting
  await expect(driver.connect(() => {})).rejects.toMatchObject({ code: 'CLOSED' })
  const blocked = new DatabaseSync(join(place.folder, 'locked.db'))
  blocked.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
  const waiting = sqliteDriver(driverOptions(join(place.folder, 'locked.db')))
  const rejected = expect(waiting.connect(() => {})).rejects.toMatchObject({ code: 'CLOSED' })
  await quiet(50)
  await waiting.close()
  await rejected
  const impatient = sqliteDriver({ ...driverOptions(join(place.folder, 'locked.db')), publishTimeoutMs: 100 })
  await expect(impatient.connect(() => {})).rejects.toMatchObject({ code: 'BROKER_FILE_LOCKED' })
  await impatient.close()
  blocked.close()
})
