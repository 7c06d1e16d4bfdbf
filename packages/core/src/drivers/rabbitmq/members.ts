import { randomUUID } from 'node:crypto'
import type { Channel, ConsumeMessage } from 'amqplib'
import { type Clock, monotonic, sleep } from '../../clock.ts'
import type { MemberNote, Members } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { closeChannel } from './close-channel.ts'
import { closed, type Link } from './connection.ts'
import { refusalOf } from './failure.ts'
import type { Names } from './names.ts'
import { Speaker } from './speaker.ts'

export interface MembersOptions {
  /** On which others are heard, and on which we speak. */
  readonly consuming: Link
  readonly publishing: Link
  readonly names: Names
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export interface KnownMembers extends Members {
  /** So many have said that they are there, as heard so far. Undefined where none of ours has said so, or nothing is heard. */
  known(group: string): number | undefined
}

/** What goes through the exchange. `hello` asks all others of the group to say again who they are, `fence` is for oneself alone. */
type Word =
  | { readonly kind: 'note'; readonly member: string; readonly note: string; readonly forMs: number }
  | { readonly kind: 'leave'; readonly member: string }
  | { readonly kind: 'hello' }
  | { readonly kind: 'fence'; readonly id: string }

/** So long the first answer is waited for of those that were there, which may be busy; the others come right behind it. */
const ANSWERS_WITHIN_MS = 1_000
/** After the first answer, and for one that came in the same moment as we did. */
const OTHERS_WITHIN_MS = 100
const LOOK_EVERY_MS = 20

/**
 * The members of a group talk through one exchange, by the group's name: each has a queue of its own there, which is gone with its connection.
 * A stream would keep what nobody needs, and must be read from its beginning; here each has heard all the others.
 */
export function members(options: MembersOptions): KnownMembers {
  const rooms = new Map<string, Room>()
  const speaker = new Speaker({ ...options, link: options.publishing })
  const room = (group: string): Room => {
    const known = rooms.get(group) ?? new Room(group, options, speaker)
    rooms.set(group, known)
    return known
  }
  return {
    tell: (group, member, note, forMs) => room(group).tell(member, note, forMs),
    list: (group) => room(group).list(),
    leave: (group, member) => room(group).leave(member),
    known: (group) => rooms.get(group)?.known(),
  }
}

interface Line {
  readonly channel: Channel
  readonly queue: string
  /** By then all that are there have said who they are. */
  heardAt: number
}

/** One group, as this process hears it. What it has heard outlives a lost connection, for as long as it was said to hold. */
class Room {
  readonly #group: string
  readonly #options: MembersOptions
  readonly #speaker: Speaker
  readonly #heard = new Map<string, { readonly note: string; readonly until: number }>()
  /** Ours, said again to whoever says hello. */
  readonly #ours = new Map<string, Word & { kind: 'note' }>()
  readonly #fences = new Map<string, () => void>()
  #line: Promise<Line> | undefined
  #current: Line | undefined
  /** Since this line began to be opened. */
  #isAnswered = false

  constructor(group: string, options: MembersOptions, speaker: Speaker) {
    this.#group = group
    this.#options = options
    this.#speaker = speaker
  }

  async tell(member: string, note: string, forMs: number): Promise<void> {
    const word: Word = { kind: 'note', member, note, forMs }
    this.#ours.set(member, word)
    const line = await this.#open()
    // We hear it ourselves: where nobody does, our queue or the exchange was deleted.
    if (!(await this.#say(word).catch((thrown: unknown) => this.#failed(line, thrown)))) this.#failed(line, unheard())
  }

  #failed(line: Line, thrown: unknown): never {
    this.#drop(line)
    throw thrown
  }

  async list(): Promise<readonly MemberNote[]> {
    const { clock } = this.#options
    const line = await this.#open()
    while (line.heardAt > monotonic(clock)) await sleep(clock, LOOK_EVERY_MS)
    await this.#fence(line)
    const now = monotonic(clock)
    for (const [member, { until }] of this.#heard) if (until <= now) this.#heard.delete(member)
    return [...this.#heard].map(([member, { note }]) => ({ member, note }))
  }

  known(): number | undefined {
    if (!this.#current || this.#ours.size === 0) return undefined
    const now = monotonic(this.#options.clock)
    return [...this.#heard.values()].filter(({ until }) => until > now).length
  }

  async leave(member: string): Promise<void> {
    if (!this.#ours.delete(member)) return
    this.#heard.delete(member)
    await this.#say({ kind: 'leave', member })
  }

  #open(): Promise<Line> {
    this.#line ??= this.#join().catch((thrown: unknown) => {
      this.#line = undefined
      // A channel that goes down with its driver has words of the client's for it.
      throw refusalOf(thrown)?.error ?? (this.#options.signal.aborted ? closed() : thrown)
    })
    return this.#line
  }

  async #join(): Promise<Line> {
    const { consuming, names, clock, timeoutMs, signal } = this.#options
    const model = await consuming.up(timeoutMs, signal)
    if (!model) throw signal.aborted ? closed() : new CorebusError('CONNECTION_LOST', `no connection to RabbitMQ within ${timeoutMs} ms`)
    const channel = await model.createChannel()
    const queue = names.member(randomUUID())
    let line: Line | undefined
    let isGone = false
    this.#isAnswered = false
    const gone = () => {
      isGone = true
      // One that never opened is told to whoever opened it, and another one may be there by now.
      if (line && this.#current === line) this.#drop(line)
    }
    channel.on('error', () => {}) // told to whoever asked
    channel.on('close', gone)
    try {
      await channel.assertExchange(names.members, 'direct', { durable: true })
      const isAlone = !(await this.#say({ kind: 'hello' }))
      await channel.assertQueue(queue, { exclusive: true, autoDelete: true, durable: false })
      await channel.bindQueue(queue, names.members, this.#group)
      await channel.consume(queue, (message) => (message ? this.#hear(message) : void closeChannel(channel)), {
        noAck: true,
        exclusive: true,
      })
      // Now answers arrive, also of one that was binding its queue when we were.
      await this.#say({ kind: 'hello' })
      if (isGone)
        throw new CorebusError('CONNECTION_LOST', 'the connection to RabbitMQ was lost while the members of a group were asked for')
      line = { channel, queue, heardAt: monotonic(clock) + (isAlone || this.#isAnswered ? OTHERS_WITHIN_MS : ANSWERS_WITHIN_MS) }
    } catch (thrown) {
      await closeChannel(channel)
      throw thrown
    }
    this.#current = line
    return line
  }

  /** The next one who asks opens another. */
  #drop(line: Line): void {
    if (this.#current !== line) return
    this.#current = undefined
    this.#line = undefined
    for (const pass of this.#fences.values()) pass()
    void closeChannel(line.channel) // never rejects
  }

  #hear({ content }: ConsumeMessage): void {
    const word = parsed(content)
    switch (word?.kind) {
      case 'note':
        if (!this.#ours.has(word.member)) this.#answered()
        this.#heard.set(word.member, { note: word.note, until: monotonic(this.#options.clock) + word.forMs })
        break
      case 'leave':
        this.#heard.delete(word.member)
        break
      case 'hello':
        for (const own of this.#ours.values()) this.#say(own).catch(() => {}) // said again in a while
        break
      case 'fence':
        this.#fences.get(word.id)?.()
    }
  }

  #answered(): void {
    this.#isAnswered = true
    const line = this.#current
    if (line) line.heardAt = Math.min(line.heardAt, monotonic(this.#options.clock) + OTHERS_WITHIN_MS)
  }

  /** What was said before this is heard when it resolves. */
  async #fence(line: Line): Promise<void> {
    const id = randomUUID()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#fences.set(id, resolve)
    const cancel = new AbortController()
    try {
      if (!(await this.#speaker.say('', line.queue, bytes({ kind: 'fence', id })))) throw unheard()
      let isOver = false
      const late = sleep(this.#options.clock, this.#options.timeoutMs, cancel.signal).then(() => {
        isOver = !cancel.signal.aborted
      })
      await Promise.race([promise, late])
      cancel.abort()
      if (isOver) throw new CorebusError('CONNECTION_LOST', `RabbitMQ did not answer within ${this.#options.timeoutMs} ms`)
      if (this.#current !== line)
        throw new CorebusError('CONNECTION_LOST', 'the connection to RabbitMQ was lost while the members of a group were asked for')
    } catch (thrown) {
      // It may have been deleted, with its exchange or by itself.
      this.#drop(line)
      throw thrown
    } finally {
      this.#fences.delete(id)
    }
  }

  /** Resolves with whether anybody hears it. */
  #say(word: Word): Promise<boolean> {
    return this.#speaker.say(this.#options.names.members, this.#group, bytes(word))
  }
}

const unheard = (): CorebusError =>
  new CorebusError(
    'CONNECTION_LOST',
    'nobody hears what members of the group say on RabbitMQ: their exchange, or the queue of this one, was deleted',
  )

const bytes = (word: Word): Buffer => Buffer.from(JSON.stringify(word))

/** Undefined for what somebody else said. */
function parsed(body: Buffer): Word | undefined {
  try {
    const word: Partial<Word> & { member?: unknown; note?: unknown; forMs?: unknown } = JSON.parse(body.toString('utf8'))
    const isWord =
      word.kind === 'hello' ||
      (word.kind === 'fence' && typeof word.id === 'string') ||
      (word.kind === 'leave' && typeof word.member === 'string') ||
      (word.kind === 'note' && typeof word.member === 'string' && typeof word.note === 'string' && typeof word.forMs === 'number')
    return isWord ? (word as Word) : undefined
  } catch {
    return undefined
  }
}
