import { randomUUID } from 'node:crypto'
import type { ConfirmChannel, ConsumeMessage } from 'amqplib'
import { type Clock, monotonic, sleep } from '../../clock.ts'
import type { MemberNote, Members } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { closed, type Link } from './connection.ts'
import { refusalOf } from './failure.ts'
import type { Names } from './names.ts'

export interface MembersOptions {
  readonly link: Link
  readonly names: Names
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** What goes through the exchange. `hello` asks all others of the group to say again who they are, `fence` is for oneself alone. */
type Word =
  | { readonly kind: 'note'; readonly member: string; readonly note: string; readonly forMs: number }
  | { readonly kind: 'leave'; readonly member: string }
  | { readonly kind: 'hello' }
  | { readonly kind: 'fence'; readonly id: string }

/** So long are answers to a hello waited for. */
const ANSWERS_WITHIN_MS = 100

/**
 * The members of a group talk through one exchange, by the group's name: each has a queue of its own there, which is gone with its connection.
 * A stream would keep what nobody needs, and must be read from its beginning; here each has heard all the others.
 */
export function members(options: MembersOptions): Members & { close(): Promise<void> } {
  const rooms = new Map<string, Room>()
  const room = (group: string): Room => {
    const known = rooms.get(group) ?? new Room(group, options)
    rooms.set(group, known)
    return known
  }
  return {
    tell: (group, member, note, forMs) => room(group).tell(member, note, forMs),
    list: (group) => room(group).list(),
    leave: (group, member) => room(group).leave(member),
    async close() {
      await Promise.all([...rooms.values()].map((one) => one.close()))
    },
  }
}

interface Line {
  readonly channel: ConfirmChannel
  readonly queue: string
  readonly openedAt: number
}

/** One group, as this process hears it. What it has heard outlives a lost connection, for as long as it was said to hold. */
class Room {
  readonly #group: string
  readonly #options: MembersOptions
  readonly #heard = new Map<string, { readonly note: string; readonly until: number }>()
  /** Ours, said again to whoever says hello. */
  readonly #ours = new Map<string, Word & { kind: 'note' }>()
  readonly #fences = new Map<string, () => void>()
  #line: Promise<Line> | undefined

  constructor(group: string, options: MembersOptions) {
    this.#group = group
    this.#options = options
  }

  async tell(member: string, note: string, forMs: number): Promise<void> {
    const word: Word = { kind: 'note', member, note, forMs }
    this.#ours.set(member, word)
    await this.#say(await this.#open(), word)
  }

  async list(): Promise<readonly MemberNote[]> {
    const { clock } = this.#options
    const line = await this.#open()
    const early = line.openedAt + ANSWERS_WITHIN_MS - monotonic(clock)
    if (early > 0) await sleep(clock, early)
    await this.#fence(line)
    const now = monotonic(clock)
    for (const [member, { until }] of this.#heard) if (until <= now) this.#heard.delete(member)
    return [...this.#heard].map(([member, { note }]) => ({ member, note }))
  }

  async leave(member: string): Promise<void> {
    if (!this.#ours.delete(member)) return
    this.#heard.delete(member)
    if (this.#line) await this.#say(await this.#open(), { kind: 'leave', member })
  }

  async close(): Promise<void> {
    const line = await this.#line?.catch(() => undefined)
    this.#line = undefined
    await line?.channel.close().catch(() => {}) // with its connection, then
  }

  #open(): Promise<Line> {
    this.#line ??= this.#join().catch((thrown: unknown) => {
      this.#line = undefined
      throw refusalOf(thrown)?.error ?? thrown
    })
    return this.#line
  }

  async #join(): Promise<Line> {
    const { link, names, clock, timeoutMs, signal } = this.#options
    const model = await link.up(timeoutMs, signal)
    if (!model) throw signal.aborted ? closed() : new CorebusError('CONNECTION_LOST', `no connection to RabbitMQ within ${timeoutMs} ms`)
    const channel = await model.createConfirmChannel()
    const queue = names.member(randomUUID())
    const gone = () => {
      this.#line = undefined
      for (const pass of this.#fences.values()) pass()
    }
    channel.on('error', () => {}) // told to whoever asked
    channel.on('close', gone)
    await channel.assertExchange(names.members, 'direct', { durable: true })
    await channel.assertQueue(queue, { exclusive: true, autoDelete: true, durable: false })
    await channel.bindQueue(queue, names.members, this.#group)
    const line: Line = { channel, queue, openedAt: monotonic(clock) }
    await channel.consume(queue, (message) => (message ? this.#hear(line, message) : gone()), { noAck: true, exclusive: true })
    await this.#say(line, { kind: 'hello' })
    return line
  }

  #hear(line: Line, { content }: ConsumeMessage): void {
    const word = parsed(content)
    switch (word?.kind) {
      case 'note':
        this.#heard.set(word.member, { note: word.note, until: monotonic(this.#options.clock) + word.forMs })
        break
      case 'leave':
        this.#heard.delete(word.member)
        break
      case 'hello':
        for (const own of this.#ours.values()) this.#say(line, own).catch(() => {}) // said again in a while
        break
      case 'fence':
        this.#fences.get(word.id)?.()
    }
  }

  /** What was said before this is heard when it resolves. */
  async #fence(line: Line): Promise<void> {
    const id = randomUUID()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#fences.set(id, resolve)
    try {
      await this.#send(line, '', line.queue, { kind: 'fence', id })
      await Promise.race([promise, sleep(this.#options.clock, this.#options.timeoutMs)])
      if (!this.#line || (await this.#line) !== line)
        throw new CorebusError('CONNECTION_LOST', 'the connection to RabbitMQ was lost while the members of a group were asked for')
    } finally {
      this.#fences.delete(id)
    }
  }

  #say(line: Line, word: Word): Promise<void> {
    return this.#send(line, this.#options.names.members, this.#group, word)
  }

  #send({ channel }: Line, exchange: string, key: string, word: Word): Promise<void> {
    return new Promise((resolve, reject) => {
      const body = Buffer.from(JSON.stringify(word))
      channel.publish(exchange, key, body, { contentType: 'application/json' }, (error: unknown) => (error ? reject(error) : resolve()))
    })
  }
}

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
