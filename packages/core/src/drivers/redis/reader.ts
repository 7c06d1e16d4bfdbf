import { type Clock, monotonic, sleep } from '../../clock.ts'
import { asError, CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import type { Address } from './address.ts'
import { bytesOf, type Came, claimedIn, entryIn, readIn } from './came.ts'
import { isElsewhere, isGone, isLost, membershipLost, refusalOf } from './failure.ts'
import type { Holdings, Lease } from './holdings.ts'
import { type Hello, Link, type Reply } from './link.ts'
import { listOf, type Nodes } from './nodes.ts'
import { claim } from './scripts/member.ts'

export interface ReaderOptions {
  readonly group: string
  /** As the scripts of a member want them. */
  readonly keys: readonly string[]
  readonly address: Address
  readonly nodes: Nodes
  readonly clock: Clock
  readonly holdings: Holdings
  /** How long a lease is good for without being asked for again. */
  readonly leaseMs: number
  /** Says that we live; the lease may be found to be lost. */
  readonly renew: () => Promise<void>
  readonly onUp: () => void
  readonly onDown: (error: Error) => void
  /** Stream or group are not there any more, or the lease is lost. */
  readonly onGone: (error: Error) => void
  /** So many were deleted from the stream before anybody had settled them. */
  readonly onDeleted: (count: number) => void
}

const BLOCK_MS = 2_000
const MOST_AT_ONCE = 1_000
/** Of one reply, as far as the last ones tell. */
const BYTES_AT_ONCE = 8 * 1024 * 1024
const PENDING_PAGE = 1_000
const UNBLOCK_AGAIN_MS = 20

/** Reads for one membership on a connection of its own: whoever waits for messages holds up everything behind. */
export class Reader {
  readonly #options: ReaderOptions
  readonly #lease: Lease
  readonly #stopping = new AbortController()
  readonly #waitMs = backOff()
  #link: Link
  #reading = false
  #running: Promise<void>
  #bytesEach = 1
  /** There may be something that is nobody's: what a member before us left comes before what is new. */
  #claimable = true
  /** Everything that was sent to the connections before has been looked for. */
  #recovered = true

  constructor(lease: Lease, options: ReaderOptions) {
    this.#lease = lease
    this.#options = options
    this.#link = this.#newLink()
    this.#running = this.#run()
  }

  get isOpen(): boolean {
    return this.#link.isUp && this.#recovered
  }

  /** Whether it is connected, as soon as it is. */
  opened(withinMs: number, signal: AbortSignal): Promise<boolean> {
    return this.#link.up(withinMs, signal)
  }

  /** There is something that is nobody's: it comes before what is new. */
  claimSoon(): void {
    this.#claimable = true
    void this.#unblock() // never rejects
  }

  /** What the server counts as ours is more than we know of. */
  recoverSoon(): void {
    this.#recovered = false
    this.#options.holdings.wake()
    void this.#unblock() // never rejects
  }

  renewConnection(error: Error): void {
    this.#link.renew(error)
  }

  /** Resolves when nothing more comes. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    let over = false
    const ended = this.#running.then(() => {
      over = true
    })
    // Between the look and the read nobody is blocked, so it is asked until it has ended.
    while (!over) {
      await this.#unblock()
      await Promise.race([ended, sleep(this.#options.clock, UNBLOCK_AGAIN_MS)])
    }
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#link.close()
    await this.#running
  }

  async #unblock(): Promise<void> {
    if (!this.#reading || !this.#link.isUp) return
    try {
      await this.#options.nodes.of(this.#stream).send(['CLIENT', 'UNBLOCK', this.#link.hello.id])
    } catch {
      // It ends by itself soon.
    }
  }

  get #stream(): string {
    return this.#options.keys[0] as string
  }

  #newLink(): Link {
    const { address, nodes, clock, holdings, onDown } = this.#options
    let before: Hello | undefined
    const link: Link = new Link({
      address,
      clock,
      node: nodes.of(this.#stream).node,
      onUp: () => {
        // Its read may still wait there, and take what nobody would ever see.
        if (before !== undefined) void this.#endOld(before) // never rejects
        before = link.hello
      },
      onDown: (error) => {
        this.#recovered = false
        holdings.wake()
        // Perhaps all connections are gone.
        if (isLost(error)) nodes.of(this.#stream).doubt()
        onDown(error)
      },
    })
    link.start()
    return link
  }

  /** By number and address: a server that was restarted counts from 1 again, and has given the number to somebody else. */
  async #endOld({ id, address }: Hello): Promise<void> {
    const kill = address === '' ? [] : [['KILL', 'ID', id, 'ADDR', address]]
    for (const how of [...kill, ['UNBLOCK', id]]) {
      try {
        await this.#link.send(['CLIENT', ...how])
        return
      } catch {
        // It has ended, or the user may not.
      }
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    const { clock, nodes, holdings, onGone, onDown } = this.#options
    for (let failures = 0; !signal.aborted; ) {
      try {
        if (!(await this.#link.up(BLOCK_MS, signal))) continue
        if (!this.#recovered) await this.#recover()
        this.#options.onUp()
        if (this.#recovered) failures = 0
        await this.#readOn()
        if (!this.#recovered) await sleep(clock, this.#waitMs(++failures), signal)
      } catch (thrown) {
        const error = asError(thrown)
        if (signal.aborted) return
        if (isGone(error))
          return onGone(
            new CorebusError('GROUP_GONE', `the stream or group of ${this.#options.group} on ${holdings.topic} was deleted`, {
              cause: error,
            }),
          )
        this.#recovered = false
        if (isElsewhere(error)) {
          nodes.noteFailure(nodes.of(this.#stream), error)
          await this.#link.close()
          await sleep(clock, this.#waitMs(1), signal)
          this.#link = this.#newLink()
        } else if (!isLost(error) && !error.message.startsWith('UNBLOCKED')) onDown(refusalOf(error, this.#link.where))
        await sleep(clock, this.#waitMs(++failures), signal)
      }
    }
  }

  async #readOn(): Promise<void> {
    const { holdings } = this.#options
    const { signal } = this.#stopping
    while (!signal.aborted && this.#recovered) {
      if (holdings.free === 0) {
        await holdings.room()
        continue
      }
      const count = Math.max(1, Math.min(holdings.free, MOST_AT_ONCE, Math.floor(BYTES_AT_ONCE / this.#bytesEach)))
      const came = this.#claimable ? await this.#claim(count) : await this.#read(count)
      if (came.length > 0) await this.#take(came)
    }
  }

  /** What came to a process that stood still may be with others by now: only who is still a member takes it. */
  async #take(came: readonly Came[]): Promise<void> {
    const { holdings, renew } = this.#options
    if (this.#isOver) await renew()
    if (this.#stopping.signal.aborted) return
    // Nobody could say. What is ours is looked up when there is an answer.
    if (this.#isOver) this.#recovered = false
    else holdings.take(came)
  }

  /** As far as we know: others may take what we were given. */
  get #isOver(): boolean {
    const { clock, leaseMs } = this.#options
    return monotonic(clock) - this.#lease.renewedAt > leaseMs
  }

  /** Of each of two streams half. Where only one may come, the group's own is asked first. */
  async #read(count: number): Promise<readonly Came[]> {
    const { group, keys } = this.#options
    const [stream = '', again = ''] = keys
    const start = ['XREADGROUP', 'GROUP', group, this.#lease.name, 'COUNT']
    if (count === 1) {
      const reply = await this.#link.send([...start, '1', 'STREAMS', again, '>'], true)
      if (reply !== null) return this.#cameIn(reply)
    }
    this.#reading = true
    try {
      const half = String(Math.max(1, Math.floor(count / 2)))
      const reply = await this.#link.send([...start, half, 'BLOCK', String(BLOCK_MS), 'STREAMS', stream, again, '>', '>'], true)
      return reply === null ? [] : this.#cameIn(reply)
    } finally {
      this.#reading = false
    }
  }

  #cameIn(reply: Reply): readonly Came[] {
    const came = readIn(reply, this.#stream)
    if (came.length > 0) this.#bytesEach = Math.max(1, bytesOf(came) / came.length)
    return came
  }

  async #claim(count: number): Promise<readonly Came[]> {
    const { group, keys, nodes, onGone, onDeleted } = this.#options
    const [said, gone, taken, more] = listOf(await nodes.run(claim, keys, [group, this.#lease.name, String(count)], true))
    if (String(said) === 'lost') {
      this.#stopping.abort()
      onGone(membershipLost(group))
      return []
    }
    if (Number(gone) > 0) onDeleted(Number(gone))
    const came = claimedIn(taken)
    this.#claimable = more === 1
    return came
  }

  /** What was handed to connections that did not live to tell: the server counts it as ours, and nobody else gets it. */
  async #recover(): Promise<void> {
    const { group, keys, holdings, nodes, onDeleted } = this.#options
    const came: Came[] = []
    let deleted = 0
    for (const which of [1, 2] as const) {
      const key = keys[which - 1] as string
      for (let from = '-'; ; ) {
        // Before it is asked: what is settled meanwhile is in the answer, and is done.
        const known = holdings.ids(which)
        const page = listOf(await nodes.send(key, ['XPENDING', key, group, from, '+', String(PENDING_PAGE), this.#lease.name]))
        for (const one of page) {
          const [id, , , count] = listOf(one)
          if (known.has(String(id))) continue
          const [found] = listOf(await nodes.send(key, ['XRANGE', key, String(id), String(id)], true))
          if (found !== undefined) came.push({ which, entry: entryIn(which, id, listOf(found)[1]), unsettledBefore: Number(count) - 1 })
          else {
            await nodes.send(key, ['XACK', key, group, String(id)])
            deleted++
          }
        }
        if (page.length < PENDING_PAGE) break
        from = `(${String(listOf(page.at(-1))[0])}`
      }
    }
    this.#recovered = true
    if (deleted > 0) onDeleted(deleted)
    await this.#take(came)
  }
}
