import { type Clock, monotonic } from '../../clock.ts'
import type {
  Admin,
  ConnectionState,
  Difference,
  Driver,
  DriverOptions,
  Members,
  Message,
  PublishOptions,
  SubscribeOptions,
  Subscription,
  Topology,
} from '../../driver.ts'
import { type CorebusError, noneTaken } from '../../errors.ts'
import { admin } from './admin.ts'
import { Connection } from './connection.ts'
import { Letters } from './dead-letters.ts'
import type { Tuning } from './driver.ts'
import { closed, fileNew } from './failure.ts'
import { filePath, isToBeMade } from './file.ts'
import { Life } from './life.ts'
import { Lookout } from './lookout.ts'
import { members } from './members.ts'
import { publisher } from './publisher.ts'
import { type Member, subscribe } from './subscription.ts'
import { openTail, type TailOptions } from './tail.ts'
import { Topics } from './topics.ts'
import { type Declarations, declarations } from './topology.ts'

/** The embedded broker as one process has it: the file, all that reads and watches it here, and what is said of it. */
export class Broker {
  readonly admin: Admin
  readonly members: Members
  readonly #path: string
  readonly #prefix: string
  readonly #timeoutMs: number
  readonly #clock: Clock
  readonly #connection: Connection
  readonly #topics: Topics
  readonly #lookout: Lookout
  readonly #life: Life
  readonly #declared: Declarations
  readonly #store: Driver['publish']
  readonly #joined = new Set<Member>()
  #onState: (state: ConnectionState) => void = () => {}
  #ill = false
  #closing: Promise<void> | undefined

  constructor({ url, prefix, service, durability, publishTimeoutMs: timeoutMs, clock: { after } }: DriverOptions, tuning: Tuning) {
    const clock: Clock = { now: tuning.now, after }
    const path = filePath(url)
    const connection = new Connection({
      path,
      clock,
      onChange: () => this.#lookout.lookSoon(),
      onGone: (error) => this.#life.lose(error),
      onHealth: (error) => this.#tellHealth(error),
    })
    const topics = new Topics(connection)
    const lookout = new Lookout({ connection, clock, onStarved: () => this.#life.probe() })
    const letters = new Letters({ connection, prefix, clock })
    const life = new Life({
      ...tuning,
      path,
      clock,
      durability,
      connection,
      topics,
      lookout,
      connectMs: timeoutMs,
      expireLetters: () => letters.expire(),
      onLost: (error) => this.#lost(error),
      onBack: () => this.#back(),
    })
    const ownFile = () => life.ownFile
    this.admin = admin({ connection, topics, letters, clock, prefix, timeoutMs, ownFile })
    this.members = members({ connection, clock, prefix, timeoutMs })
    this.#path = path
    this.#prefix = prefix
    this.#timeoutMs = timeoutMs
    this.#clock = clock
    this.#connection = connection
    this.#topics = topics
    this.#lookout = lookout
    this.#life = life
    this.#declared = declarations({ connection, topics, clock, service, prefix, timeoutMs })
    this.#store = publisher({
      connection,
      topics,
      clock,
      prefix,
      publishTimeoutMs: timeoutMs,
      ungroupedMessages: tuning.ungroupedMessages,
      onPublished: (topic, tx) => lookout.stored(topic, tx),
    })
  }

  async connect(onState: (state: ConnectionState) => void): Promise<void> {
    this.#refuseIfClosing()
    this.#onState = onState
    const isNew = isToBeMade(this.#path)
    await this.#life.start()
    this.#onState({ kind: 'connected', ...(isNew && { notice: fileNew(this.#path) }) })
  }

  ensure(topology: Topology, mode: 'create' | 'check'): Promise<readonly Difference[]> {
    return this.#declared.ensure(topology, mode)
  }

  async publish(messages: readonly Message[], options?: PublishOptions): Promise<void> {
    if (this.#closing) throw noneTaken(messages, closed())
    await this.#store(messages, options)
  }

  async subscribe(wanted: SubscribeOptions): Promise<Subscription> {
    this.#refuseIfClosing()
    const letGo = this.#life.stayAlive()
    try {
      const member = await this.#join(wanted)
      return {
        settle: (settlements) => member.settle(settlements),
        limit: (deliveries) => member.limit(deliveries),
        stop() {
          letGo()
          return member.stop()
        },
      }
    } catch (error) {
      letGo()
      throw error
    }
  }

  async tail(wanted: Pick<TailOptions, 'topic' | 'from' | 'onMessages'>): Promise<{ stop(): Promise<void> }> {
    const [connection, topics, clock, lookout] = [this.#connection, this.#topics, this.#clock, this.#lookout]
    const tail = openTail({ connection, topics, clock, stored: this.#prefix + wanted.topic, ...wanted })
    await connection.read(tail.begin, monotonic(clock) + this.#timeoutMs)
    const letGo = this.#life.stayAlive()
    lookout.addTail(tail)
    return {
      async stop() {
        letGo()
        tail.stop()
        lookout.removeTail(tail)
      },
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const member of this.#joined) member.mute()
    this.#lookout.stopTails()
    await this.#life.end(this.#joined)
    for (const member of this.#joined) member.end()
    this.#joined.clear()
    this.#connection.end(closed())
  }

  #refuseIfClosing(): void {
    if (this.#closing) throw closed()
  }

  async #join(wanted: SubscribeOptions): Promise<Member> {
    const member = await subscribe(wanted, {
      connection: this.#connection,
      topics: this.#topics,
      clock: this.#clock,
      prefix: this.#prefix,
      lookout: this.#lookout,
      placeOf: this.#declared.placeOf,
      ownerFile: () => this.#life.holdOwnerFile(),
    })
    this.#joined.add(member)
    // What somebody held who died before we came is ours at once.
    this.#life.probe()
    this.#lookout.lookSoon()
    return member
  }

  /** The file is gone, and everything with it. */
  #lost(error: CorebusError): void {
    for (const member of this.#joined) member.lose(error)
    this.#onState({ kind: 'reconnecting', error })
  }

  /** There is a new file. */
  async #back(): Promise<void> {
    await this.#declared.again()
    this.#lookout.restartTails()
    await Promise.all([...this.#joined].map((member) => member.rejoin()))
    this.#onState({ kind: 'connected' })
  }

  /** After each transaction: an error that concerns all of them, or none. */
  #tellHealth(error: CorebusError | undefined): void {
    if (error?.code.startsWith('BROKER_')) {
      this.#ill = true
      this.#onState({ kind: error.code === 'BROKER_DISK_FULL' ? 'blocked' : 'reconnecting', error })
      return
    }
    if (error || !this.#ill) return
    this.#ill = false
    for (const member of this.#joined) member.recover()
    this.#onState({ kind: 'connected' })
  }
}
