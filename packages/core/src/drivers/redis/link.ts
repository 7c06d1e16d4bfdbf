import { type Clock, sleep } from '../../clock.ts'
import { asError, CorebusError } from '../../errors.ts'
import { type ConnectingOptions, comeBack, connectWithin } from '../connecting.ts'
import type { Address, Client, Node } from './address.ts'
import { closed, inWords, isHopeless, isLost, unreachable } from './failure.ts'
import { redisLibrary } from './library.ts'

export type Argument = string | Buffer
/** What Redis answers, as RESP 2 has it. With `bytes` every string is a Buffer. */
export type Reply = string | number | null | Buffer | readonly Reply[]

export interface LinkOptions {
  readonly address: Address
  readonly node: Node
  readonly clock: Clock
  readonly onUp: (link: Link) => void
  /** Also when it cannot come back until somebody does something. */
  readonly onDown: (error: Error) => void
}

/** Who this connection is, and when it began, by the server's clock. */
export interface Hello {
  readonly id: string
  /** As the server sees it. Empty where the user may not ask. */
  readonly address: string
  readonly mode: string
  /** Everything written on it gets this id or a later one. */
  readonly since: string
}

const LOOK_EVERY_MS = 1_000
/** So many looks without an answer, and the connection is given up. Looks and not time: a process that stood still has heard nothing either. */
const SILENT_LOOKS = 6
const DOUBTED_SILENT_LOOKS = 2
const PING_AFTER_LOOKS = 3

/** One connection that comes back by itself, for ever: a new client each time, so that what was in flight on the old one is known to be. */
export class Link {
  readonly node: Node
  readonly where: string
  readonly #options: LinkOptions
  readonly #closing = new AbortController()
  readonly #asBytes = { typeMapping: { [redisLibrary().RESP_TYPES.BLOB_STRING]: Buffer } }
  #client: Client | undefined
  #hello: Hello = { id: '0', address: '', mode: '', since: '0-0' }
  #waiting = new Set<() => void>()
  #reconnecting: Promise<void> | undefined
  #pending = 0
  #silentLooks = 0
  #doubted = false
  #cancelLook: (() => void) | undefined
  readonly #heard = (reply: unknown): Reply => {
    this.#pending--
    this.#silentLooks = 0
    this.#doubted = false
    return reply as Reply // what RESP 2 has
  }
  readonly #failed = (thrown: unknown): never => {
    this.#pending--
    const error = asError(thrown)
    // Redis said it, and not the client.
    if (!(error instanceof redisLibrary().ErrorReply)) throw this.#lostBy(error)
    this.#silentLooks = 0
    throw error
  }

  constructor(options: LinkOptions) {
    this.#options = options
    this.node = options.node
    this.where = `${options.node.host}:${options.node.port}`
  }

  get isUp(): boolean {
    return this.#client !== undefined
  }

  /** Of the present connection, or the last. */
  get hello(): Hello {
    return this.#hello
  }

  /** Tries until it works or `withinMs` are over. @throws CorebusError CONNECT */
  async open(withinMs: number): Promise<void> {
    await connectWithin(() => this.#connect(), withinMs, this.#connecting())
  }

  /** The same in the background, without an end. */
  start(): void {
    this.#reconnecting ??= this.#comeBack({ afterLoss: false })
  }

  /** Whether there is a connection, as soon as there is, at the latest after `withinMs`. */
  async up(withinMs: number, signal?: AbortSignal): Promise<boolean> {
    if (this.#client || this.#closing.signal.aborted) return this.isUp
    const came = new AbortController()
    const answer = () => came.abort()
    this.#waiting.add(answer)
    await sleep(this.#options.clock, withinMs, signal ? AbortSignal.any([signal, came.signal]) : came.signal)
    this.#waiting.delete(answer)
    return this.isUp
  }

  /** @throws CorebusError CONNECTION_LOST (it may have been done), or what Redis says. */
  send(args: readonly Argument[], bytes = false): Promise<Reply> {
    const client = this.#client
    if (!client) return Promise.reject(this.#lostBy(new Error('there is none now')))
    this.#pending++
    return client.sendCommand(args as Argument[], bytes ? this.#asBytes : undefined).then(this.#heard, this.#failed)
  }

  /** Another connection to the same place is gone: this one has to answer soon. */
  doubt(): void {
    if (!this.#client || this.#doubted) return
    this.#doubted = true
    this.#silentLooks = 0
    this.send(['PING']).catch(() => {}) // its loss is seen to
  }

  /** Gives up the connection and makes a new one. */
  renew(error: Error): void {
    if (this.#client) this.#lose(this.#client, error)
  }

  async #connect(): Promise<void> {
    const { address: broker, node, onUp } = this.#options
    const client = broker.client(node)
    let cause: Error | undefined
    client.on('error', (error: Error) => {
      cause = error
      // One of the decoder leaves the connection open, and nobody knows what came.
      this.#lose(client, error)
    })
    client.on('end', () => this.#lose(client, cause ?? new Error('closed by the server')))
    try {
      await client.connect()
      const [hello, [seconds, micros], info] = await Promise.all([
        client.sendCommand<readonly Reply[]>(['HELLO']),
        client.sendCommand<readonly string[]>(['TIME']),
        client.sendCommand<string>(['CLIENT', 'INFO']).catch(mayNot),
        // While it loads its data, Redis would take some commands of a row and refuse others.
        client.sendCommand(['PING']),
      ])
      const said = new Map(hello.flatMap((name, i) => (i % 2 === 0 ? [[String(name), hello[i + 1]]] : [])))
      const since = `${Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)}-0`
      const address = / addr=(\S+)/.exec(info)?.[1] ?? ''
      this.#hello = { id: String(said.get('id')), address, mode: String(said.get('mode')), since }
      if (said.get('role') === 'replica') throw new Error('READONLY this is a replica')
      if (this.#hello.mode === 'sentinel') throw new Error('SENTINEL this is a Sentinel, which has no messages: give the address of Redis')
      if (this.#hello.mode === 'cluster' && broker.database > 0) throw new Error('CLUSTER_DB a cluster has only the database 0')
      if (this.#closing.signal.aborted) throw closed()
    } catch (thrown) {
      client.destroy()
      throw thrown
    }
    this.#client = client
    this.#silentLooks = 0
    this.#doubted = false
    this.#look()
    for (const answer of this.#waiting) answer()
    onUp(this)
  }

  /** One coarse look instead of a timer a command. */
  #look(): void {
    this.#cancelLook?.()
    this.#cancelLook = this.#options.clock.after(LOOK_EVERY_MS, () => {
      const client = this.#client
      if (!client) return
      this.#silentLooks++
      if (this.#pending > 0 && this.#silentLooks > (this.#doubted ? DOUBTED_SILENT_LOOKS : SILENT_LOOKS))
        return this.#lose(client, new Error(`no answer for ${this.#silentLooks} s`))
      if (this.#pending === 0) {
        if (this.#silentLooks >= PING_AFTER_LOOKS) this.send(['PING']).catch(() => {}) // its loss is seen to
      }
      this.#look()
    })
  }

  #lostBy(error: Error): CorebusError {
    if (isLost(error)) return error as CorebusError
    return new CorebusError('CONNECTION_LOST', `the connection to Redis at ${this.where} is lost: ${inWords(error)}`, { cause: error })
  }

  #lose(client: Client, cause: Error): void {
    if (this.#client !== client) return
    this.#client = undefined
    this.#cancelLook?.()
    // Rejects what is in flight, and closes the socket also of a peer that is gone.
    client.destroy()
    if (this.#closing.signal.aborted) return
    this.#options.onDown(this.#lostBy(cause))
    this.#reconnecting = this.#comeBack({ afterLoss: true })
  }

  #comeBack({ afterLoss }: { readonly afterLoss: boolean }): Promise<void> {
    return comeBack(() => this.#connect(), { ...this.#connecting(), afterLoss, onHopeless: this.#options.onDown })
  }

  #connecting(): ConnectingOptions {
    return {
      clock: this.#options.clock,
      closing: this.#closing.signal,
      isHopeless: (thrown) => isHopeless(asError(thrown)),
      unreachable: (thrown) => unreachable(this.where, asError(thrown)),
      closed,
    }
  }

  /** Safe to call twice, and at any time. */
  async close(): Promise<void> {
    this.#closing.abort()
    const client = this.#client
    this.#client = undefined
    this.#cancelLook?.()
    for (const answer of this.#waiting) answer()
    client?.destroy()
    await this.#reconnecting
  }
}

function mayNot(thrown: unknown): string {
  if (thrown instanceof redisLibrary().ErrorReply) return ''
  throw thrown
}
