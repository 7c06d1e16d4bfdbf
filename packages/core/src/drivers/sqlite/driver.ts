import { monotonic, real } from '../../clock.ts'
import type { Clock, ConnectionState, Driver, DriverOptions, SubscribeOptions } from '../../driver.ts'
import { type CorebusError, noneTaken } from '../../errors.ts'
import { admin } from './admin.ts'
import { Connection } from './connection.ts'
import { Letters } from './dead-letters.ts'
import { closed, fileNew } from './failure.ts'
import { filePath, fileSystemOf, isToBeMade } from './file.ts'
import { keepOpen, type Life } from './life.ts'
import { members } from './members.ts'
import { publisher } from './publisher.ts'
import { look, type Reader } from './reader.ts'
import { type Member, subscribe } from './subscription.ts'
import { openTail, type Tail } from './tail.ts'
import { Topics } from './topics.ts'
import { declarations } from './topology.ts'
import type { Transaction } from './transaction.ts'

/** What tests change; users have no reason to. */
export interface Tuning {
  /** Most messages kept of a topic that no group reads. */
  readonly ungroupedMessages: number
  readonly ungroupedKeepMs: number
  /** What every group has settled is kept this long. */
  readonly keepMs: number
  readonly trimEveryMs: number
  readonly maxPages: number | undefined
  readonly readOnly: boolean
  readonly watching: boolean
  readonly fileSystemOf: (folder: string) => number
  /** The clock of the machine, not of this process: what one delays another finds due. */
  readonly now: () => number
}

const HOUR_MS = 3_600_000
const DEFAULTS: Tuning = {
  ungroupedMessages: 1_000_000,
  ungroupedKeepMs: 7 * 24 * HOUR_MS,
  keepMs: 24 * HOUR_MS,
  trimEveryMs: 60_000,
  maxPages: undefined,
  readOnly: false,
  watching: true,
  fileSystemOf,
  now: () => Date.now(),
}

/** The embedded broker: one SQLite file that any number of processes on one machine share. `url` is a path, with or without `sqlite:` or `file:`. */
export function sqliteDriver(options: DriverOptions, tuning: Partial<Tuning> = {}): Driver {
  const { prefix, service, publishTimeoutMs } = options
  const tuned: Tuning = { ...DEFAULTS, ...tuning }
  const clock: Clock = { now: tuned.now, after: options.clock.after }
  const path = filePath(options.url)
  const readers = new Set<Reader>()
  const joined = new Set<Member>()
  const tails = new Set<Tail>()
  let onState: (state: ConnectionState) => void = () => {}
  let ill = false
  let looking = false
  let closing: Promise<void> | undefined

  const connection = new Connection({ path, clock, onChange: lookSoon, onGone: (error) => life.lose(error), onHealth })
  const topics = new Topics(connection)
  const letters = new Letters({ connection, prefix, clock })
  const life: Life = keepOpen({
    ...tuned,
    path,
    clock,
    durability: options.durability,
    connection,
    topics,
    connectMs: publishTimeoutMs,
    expireLetters: () => letters.expire(),
    lookAll,
    onLost(error) {
      for (const member of joined) member.lose(error)
      onState({ kind: 'reconnecting', error })
    },
    async onBack() {
      await declared.again()
      for (const tail of tails) tail.restart()
      await Promise.all([...joined].map((member) => member.rejoin()))
      onState({ kind: 'connected' })
    },
  })
  const declared = declarations({ connection, topics, clock, service, prefix, timeoutMs: publishTimeoutMs })
  const store = publisher({ connection, topics, clock, prefix, publishTimeoutMs, ungroupedMessages: tuned.ungroupedMessages, onPublished })

  function onPublished(topic: Reader['topic'], tx: Transaction): void {
    for (const reader of readers) if (reader.topic === topic) connection.hungry(reader)
    if (tails.size > 0) tx.afterCommit(lookSoon)
  }

  function onHealth(error: CorebusError | undefined): void {
    if (!error?.code.startsWith('BROKER_')) {
      if (error || !ill) return
      ill = false
      for (const member of joined) member.recover()
      onState({ kind: 'connected' })
      return
    }
    ill = true
    onState({ kind: error.code === 'BROKER_DISK_FULL' ? 'blocked' : 'reconnecting', error })
  }

  function lookSoon(): void {
    if (looking || readers.size + tails.size === 0) return
    looking = true
    real.setImmediate(() => {
      looking = false
      lookAll()
    })
  }

  function lookAll(): void {
    if (!connection.isOpen) return
    for (const tail of tails) tail.pump()
    // A busy file is looked at again a second later at most; nothing is decided here.
    void connection
      .read(() => {
        let starved = false
        for (const reader of readers) {
          if (look(reader)) connection.hungry(reader)
          starved ||= reader.starved && reader.out < reader.limit && !reader.stopped
        }
        if (starved) life.probe()
      }, monotonic(clock))
      .catch(() => {})
  }

  async function close(): Promise<void> {
    for (const member of joined) member.mute()
    for (const tail of tails) tail.stop()
    await life.end(joined)
    for (const member of joined) member.end()
    joined.clear()
    connection.end(closed())
  }

  return {
    name: 'sqlite',
    capabilities: {
      durable: true,
      orderedAcrossProcesses: true,
      keepsHistory: true,
      longestHandlingMs: Number.POSITIVE_INFINITY,
      members: true,
      unclaimed: { messages: tuned.ungroupedMessages, keepMs: tuned.ungroupedKeepMs },
      unsettled: true,
    },
    admin: admin({ connection, topics, letters, clock, prefix, timeoutMs: publishTimeoutMs, ownFile: life.ownFile }),
    members: members({ connection, clock, prefix, timeoutMs: publishTimeoutMs }),
    async connect(tell) {
      if (closing) throw closed()
      onState = tell
      const isNew = isToBeMade(path)
      await life.start()
      onState({ kind: 'connected', ...(isNew && { notice: fileNew(path) }) })
    },
    ensure: declared.ensure,
    async publish(messages, options) {
      if (closing) throw noneTaken(messages, closed())
      await store(messages, options)
    },
    async subscribe(wanted: SubscribeOptions) {
      if (closing) throw closed()
      const letGo = life.stayAlive()
      try {
        const member = await subscribe(wanted, {
          connection,
          topics,
          clock,
          prefix,
          readers,
          placeOf: declared.placeOf,
          ownerFile: life.holdOwnerFile,
        })
        joined.add(member)
        // What somebody held who died before we came is ours at once.
        life.probe()
        lookSoon()
        return {
          settle: member.settle,
          limit: member.limit,
          stop() {
            letGo()
            return member.stop()
          },
        }
      } catch (error) {
        letGo()
        throw error
      }
    },
    async tail({ topic, from, onMessages }) {
      const tail = openTail({ connection, topics, clock, stored: prefix + topic, topic, from, onMessages })
      await connection.read(tail.begin, monotonic(clock) + publishTimeoutMs)
      const letGo = life.stayAlive()
      tails.add(tail)
      tail.pump()
      return {
        async stop() {
          letGo()
          tail.stop()
          tails.delete(tail)
        },
      }
    },
    close() {
      closing ??= close()
      return closing
    },
  }
}
