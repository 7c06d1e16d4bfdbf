import { monotonic } from '../../clock.ts'
import type { Clock } from '../../driver.ts'
import type { CorebusError } from '../../errors.ts'
import { Alive } from './alive.ts'
import type { Connection } from './connection.ts'
import { closed, fileGone, fileLocked, isBusy } from './failure.ts'
import { type OpenOptions, openFile } from './file.ts'
import { otherOwners, releaseDead } from './membership.ts'
import { holdOwnerFile, type OwnerFile, sweepOwnerFiles } from './owner.ts'
import type { Member } from './subscription.ts'
import type { Topics } from './topics.ts'
import { type TrimOptions, trim } from './trim.ts'
import { watchCommits } from './wake.ts'

export interface LifeOptions extends OpenOptions, Omit<TrimOptions, 'now'> {
  readonly clock: Clock
  readonly connection: Connection
  readonly topics: Topics
  readonly watching: boolean
  readonly trimEveryMs: number
  /** How long a locked file may keep `start` waiting. */
  readonly connectMs: number
  readonly expireLetters: () => Promise<void>
  readonly lookAll: () => void
  readonly onLost: (error: CorebusError) => void
  readonly onBack: () => Promise<void>
}

/** What happens while the file is open, and when it no longer is. */
export interface Life {
  start(): Promise<void>
  /** The connection has let go of a file that is gone: opens another. */
  lose(error: CorebusError): void
  /** Releases what the dead hold. Often asked for, seldom done. */
  probe(): void
  holdOwnerFile(): string
  ownFile(): string | undefined
  /** Until the returned function is called, the process does not end by itself. */
  stayAlive(): () => void
  /** Gives everything back and stops; what is queued before is written first. */
  end(members: Iterable<Member>): Promise<void>
}

const TICK_MS = 1_000
const PROBE_EVERY_MS = 50
const BUSY_WAIT_MS = 5
const REOPEN_EVERY_MS = 200
const CLOSE_MS = 5_000

export function keepOpen(options: LifeOptions): Life {
  const { path, clock, connection, topics, lookAll } = options
  let ended = false
  let starting: Promise<void> | undefined
  let owner: OwnerFile | undefined
  let stopWatch = () => {}
  let cancelTick = () => {}
  let cancelTrim = () => {}
  let releasing = false
  let reopening = false
  let probedAt = Number.NEGATIVE_INFINITY
  const alive = new Alive()

  const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

  async function open(until: number): Promise<void> {
    while (!ended) {
      try {
        const db = openFile(options)
        topics.forget()
        connection.attach(db)
        stopWatch = watchCommits({ path, clock, look: notice, watching: options.watching })
        cancelTick = clock.after(TICK_MS, tick)
        return
      } catch (error) {
        if (!isBusy(error)) throw error
        if (monotonic(clock) >= until) throw fileLocked(path)
        await wait(BUSY_WAIT_MS * Math.random())
      }
    }
    throw closed()
  }

  function notice(): void {
    try {
      connection.notice()
    } catch {
      // Busy or broken: the next tick or the next write says what it is.
    }
  }

  function tick(): void {
    cancelTick = clock.after(TICK_MS, tick)
    if (owner && !owner.held()) {
      connection.abandon(fileGone(path))
      return
    }
    connection.checkFile()
    notice()
    lookAll()
    release()
  }

  /** One at a time; what fails is tried again a second later. */
  function release(): void {
    if (!connection.isOpen || !owner || releasing) return
    probedAt = monotonic(clock)
    releasing = true
    void releaseDead(connection, owner.name)
      .catch(() => {})
      .finally(() => {
        releasing = false
      })
  }

  function trimLater(): void {
    // Not all processes at once: one does the work, the others find it done.
    cancelTrim = clock.after(options.trimEveryMs * (0.75 + Math.random() / 2), () => {
      // Nobody waits for it, and what fails now is done the next time.
      const trimming = connection.isOpen ? trim({ ...options, now: clock.now }).then(options.expireLetters) : Promise.resolve()
      void trimming.catch(() => {}).finally(() => !ended && trimLater())
    })
  }

  function pauseLife(): void {
    stopWatch()
    cancelTick()
    owner?.release()
    owner = undefined
  }

  async function reopen(): Promise<void> {
    if (reopening) return
    reopening = true
    while (!ended) {
      try {
        if (!connection.isOpen) await open(Number.POSITIVE_INFINITY)
        await options.onBack()
        break
      } catch {
        // Said already; it may be a moment between two states of somebody's clean-up.
        await wait(REOPEN_EVERY_MS)
      }
    }
    reopening = false
  }

  return {
    async start() {
      starting ??= open(monotonic(clock) + options.connectMs).then(trimLater)
      await starting
    },
    lose(error) {
      pauseLife()
      options.onLost(error)
      // Ends with `ended` at the latest; lost again meanwhile, the one that runs goes on.
      void reopen()
    },
    probe() {
      if (monotonic(clock) - probedAt >= PROBE_EVERY_MS) release()
    },
    holdOwnerFile() {
      if (owner) return owner.name
      owner = holdOwnerFile(path)
      sweepOwnerFiles(path, new Set([owner.name, ...otherOwners(connection, owner.name)]))
      return owner.name
    },
    ownFile: () => owner?.name,
    stayAlive: () => alive.hold(),
    async end(members) {
      ended = true
      cancelTrim()
      await starting?.catch(() => {})
      if (connection.isOpen) {
        const handBack = connection.write(
          (tx) => {
            for (const member of members) member.handBack(tx)
          },
          { until: monotonic(clock) + CLOSE_MS },
        )
        // Not given back in time, it is found by the others when our lock is gone, and counted.
        await handBack.catch(() => {})
      }
      pauseLife()
      alive.end()
    },
  }
}
