import { monotonic } from '../../clock.ts'
import type { Clock } from '../../driver.ts'
import type { CorebusError } from '../../errors.ts'
import { Alive } from './alive.ts'
import type { Connection } from './connection.ts'
import { closed, fileGone, fileLocked, isBusy } from './failure.ts'
import { type OpenOptions, openFile } from './file.ts'
import type { Lookout } from './lookout.ts'
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
  /** Looks once a second, whatever was noticed. */
  readonly lookout: Lookout
  readonly watching: boolean
  readonly trimEveryMs: number
  /** How long a locked file may keep `start` waiting. */
  readonly connectMs: number
  readonly expireLetters: () => Promise<void>
  readonly onLost: (error: CorebusError) => void
  readonly onBack: () => Promise<void>
}

const TICK_MS = 1_000
const PROBE_EVERY_MS = 50
const BUSY_WAIT_MS = 5
const REOPEN_EVERY_MS = 200
const CLOSE_MS = 5_000

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** What happens while the file is open, and when it no longer is. */
export class Life {
  readonly #options: LifeOptions
  readonly #alive = new Alive()
  #ended = false
  #starting: Promise<void> | undefined
  #owner: OwnerFile | undefined
  #stopWatch = () => {}
  #cancelTick = () => {}
  #cancelTrim = () => {}
  #releasing = false
  #reopening = false
  #probedAt = Number.NEGATIVE_INFINITY

  constructor(options: LifeOptions) {
    this.#options = options
  }

  /** Undefined until something of this process needs one. */
  get ownFile(): string | undefined {
    return this.#owner?.name
  }

  async start(): Promise<void> {
    const { clock, connectMs } = this.#options
    this.#starting ??= this.#open(monotonic(clock) + connectMs).then(() => this.#trimLater())
    await this.#starting
  }

  /** The connection has let go of a file that is gone: opens another. */
  lose(error: CorebusError): void {
    this.#pause()
    this.#options.onLost(error)
    // Ends with `#ended` at the latest; lost again meanwhile, the one that runs goes on.
    void this.#reopen()
  }

  /** Releases what the dead hold. Often asked for, seldom done. */
  probe(): void {
    if (monotonic(this.#options.clock) - this.#probedAt >= PROBE_EVERY_MS) this.#release()
  }

  holdOwnerFile(): string {
    if (this.#owner) return this.#owner.name
    const { path, connection } = this.#options
    this.#owner = holdOwnerFile(path)
    const { name } = this.#owner
    sweepOwnerFiles(path, new Set([name, ...otherOwners(connection, name)]))
    return name
  }

  /** Until the returned function is called, the process does not end by itself. */
  stayAlive(): () => void {
    return this.#alive.hold()
  }

  /** Gives everything back and stops; what is queued before is written first. */
  async end(members: Iterable<Member>): Promise<void> {
    const { connection, clock } = this.#options
    this.#ended = true
    this.#cancelTrim()
    await this.#starting?.catch(() => {})
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
    this.#pause()
    this.#alive.end()
  }

  async #open(until: number): Promise<void> {
    const { path, clock, connection, topics, watching } = this.#options
    while (!this.#ended) {
      try {
        const db = openFile(this.#options)
        topics.forget()
        connection.attach(db)
        this.#stopWatch = watchCommits({ path, clock, look: () => this.#notice(), watching })
        this.#tickLater()
        return
      } catch (error) {
        if (!isBusy(error)) throw error
        if (monotonic(clock) >= until) throw fileLocked(path)
        await wait(BUSY_WAIT_MS * Math.random())
      }
    }
    throw closed()
  }

  async #reopen(): Promise<void> {
    if (this.#reopening) return
    this.#reopening = true
    while (!this.#ended) {
      try {
        if (!this.#options.connection.isOpen) await this.#open(Number.POSITIVE_INFINITY)
        await this.#options.onBack()
        break
      } catch {
        // Said already; it may be a moment between two states of somebody's clean-up.
        await wait(REOPEN_EVERY_MS)
      }
    }
    this.#reopening = false
  }

  #pause(): void {
    this.#stopWatch()
    this.#cancelTick()
    this.#owner?.release()
    this.#owner = undefined
  }

  #notice(): void {
    try {
      this.#options.connection.notice()
    } catch {
      // Busy or broken: the next tick or the next write says what it is.
    }
  }

  #tickLater(): void {
    this.#cancelTick = this.#options.clock.after(TICK_MS, () => this.#tick())
  }

  #tick(): void {
    const { path, connection, lookout } = this.#options
    this.#tickLater()
    if (this.#owner && !this.#owner.held()) {
      connection.abandon(fileGone(path))
      return
    }
    connection.checkFile()
    this.#notice()
    lookout.look()
    this.#release()
  }

  /** One at a time; what fails is tried again a second later. */
  #release(): void {
    const { connection, clock } = this.#options
    if (!connection.isOpen || !this.#owner || this.#releasing) return
    this.#probedAt = monotonic(clock)
    this.#releasing = true
    void releaseDead(connection, this.#owner.name)
      .catch(() => {})
      .finally(() => {
        this.#releasing = false
      })
  }

  #trimLater(): void {
    const { clock, trimEveryMs } = this.#options
    // Not all processes at once: one does the work, the others find it done.
    this.#cancelTrim = clock.after(trimEveryMs * (0.75 + Math.random() / 2), () => {
      // Nobody waits for it, and what fails now is done the next time.
      void this.#trim()
        .catch(() => {})
        .finally(() => !this.#ended && this.#trimLater())
    })
  }

  async #trim(): Promise<void> {
    const { connection, clock, expireLetters } = this.#options
    if (!connection.isOpen) return
    await trim({ ...this.#options, now: clock.now })
    await expireLetters()
  }
}
