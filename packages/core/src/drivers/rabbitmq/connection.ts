import type { Duplex } from 'node:stream'
import type { ChannelModel } from 'amqplib'
import type { Clock } from '../../clock.ts'
import { asError, CorebusError } from '../../errors.ts'
import { type ConnectingOptions, comeBack, connectWithin } from '../connecting.ts'
import type { Address } from './address.ts'
import { amqpLibrary } from './library.ts'
import { type CountHeader, countHeaderOf } from './wire.ts'

export interface LinkOptions {
  readonly address: Address
  readonly clock: Clock
  readonly onUp: (model: ChannelModel) => void
  /** Also when it cannot come back until somebody does something. */
  readonly onDown: (error: Error) => void
  /** The broker reads nothing from this connection: an alarm. Undefined when that is over. */
  readonly onBlocked: (error: Error | undefined) => void
}

const CLOSE_WITHIN_MS = 3_000
/** How the client says that the broker closed the connection at its last step; what for, it does not say. */
const NO_VHOST = /Expected ConnectionOpenOk; got <ConnectionClose/
/** Trying again cannot help: the user, its password, its virtual host, or TLS. */
const HOPELESS = /no such virtual host|ACCESS[_-]REFUSED|SASL mechanism|certificate|CERT_|ERR_(SSL|TLS|OSSL)|UNABLE_TO_|SELF_SIGNED/

/**
 * One connection that comes back by itself, for ever. The client's own recovery is not used: an error of the connection while its setup
 * runs is an uncaught exception there.
 */
export class Link {
  readonly #options: LinkOptions
  readonly #closing = new AbortController()
  #model: ChannelModel | undefined
  #counter: CountHeader = 'x-delivery-count'
  readonly #waiting = new Set<(model?: ChannelModel) => void>()
  #reconnecting: Promise<void> | undefined

  constructor(options: LinkOptions) {
    this.#options = options
  }

  get model(): ChannelModel | undefined {
    return this.#model
  }

  /** The header in which the broker that answered last counts what it hands out. */
  get counter(): CountHeader {
    return this.#counter
  }

  /** Tries until it works or `withinMs` are over. @throws CorebusError CONNECT */
  async open(withinMs: number): Promise<void> {
    await connectWithin(() => this.#connect(), withinMs, this.#connecting())
  }

  /** The connection as soon as there is one; undefined after `withinMs`, when `signal` aborts, or when it is closed. */
  up(withinMs: number, signal?: AbortSignal): Promise<ChannelModel | undefined> {
    if (this.#model || this.#closing.signal.aborted || signal?.aborted) return Promise.resolve(this.#model)
    return new Promise((resolve) => {
      const answer = (model?: ChannelModel) => {
        cancel()
        signal?.removeEventListener('abort', giveUp)
        this.#waiting.delete(answer)
        resolve(model)
      }
      const giveUp = () => answer()
      const cancel = this.#options.clock.after(withinMs, giveUp)
      signal?.addEventListener('abort', giveUp, { once: true })
      this.#waiting.add(answer)
    })
  }

  async #connect(): Promise<void> {
    const { address, onUp, onBlocked } = this.#options
    const model = await amqpLibrary().connect(address.url, { ...address.socket })
    let cause: Error | undefined
    model.on('error', (error: Error) => {
      cause = error
    })
    model.on('close', (error?: Error) => this.#lost(model, cause ?? error))
    model.on('blocked', (reason: string) =>
      onBlocked(new CorebusError('BROKER_BLOCKED', `RabbitMQ at ${address.where} takes no messages now: ${reason}`)),
    )
    model.on('unblocked', () => onBlocked(undefined))
    if (this.#closing.signal.aborted) {
      await end(model)
      throw closed()
    }
    this.#model = model
    this.#counter = countHeaderOf(String(model.connection.serverProperties.version))
    onUp(model)
    for (const answer of this.#waiting) answer(model)
  }

  #lost(model: ChannelModel, cause: Error | undefined): void {
    // Half-closed is all the client leaves it; a peer that is gone never answers that.
    socketOf(model).destroy()
    if (this.#model !== model) return
    this.#model = undefined
    if (this.#closing.signal.aborted) return
    const { address, onDown } = this.#options
    const why = cause ? inWords(cause) : 'closed by the broker'
    onDown(new CorebusError('CONNECTION_LOST', `the connection to RabbitMQ at ${address.where} is lost: ${why}`, { cause }))
    this.#reconnecting = comeBack(() => this.#connect(), { ...this.#connecting(), afterLoss: true, onHopeless: onDown })
  }

  #connecting(): ConnectingOptions {
    const { clock, address } = this.#options
    return { clock, closing: this.#closing.signal, isHopeless, unreachable: (thrown) => unreachable(address, asError(thrown)), closed }
  }

  /** Safe to call twice, and at any time. */
  async close(): Promise<void> {
    this.#closing.abort()
    const model = this.#model
    this.#model = undefined
    for (const answer of this.#waiting) answer()
    if (model) await end(model)
    await this.#reconnecting
  }
}

/** A broker that does not answer is not waited for. */
async function end(model: ChannelModel): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLOSE_WITHIN_MS)
  })
  // It may be closed already: that is what was wanted.
  await Promise.race([model.close().catch(() => {}), late])
  clearTimeout(timer)
  socketOf(model).destroy()
}

/** The client has no way to let go of a connection whose peer is silent. */
function socketOf(model: ChannelModel): Duplex {
  return (model.connection as unknown as { readonly stream: Duplex }).stream
}

function isHopeless(thrown: unknown): boolean {
  return HOPELESS.test(inWords(asError(thrown)))
}

function unreachable({ where }: Address, error: Error): CorebusError {
  return new CorebusError('CONNECT', `cannot connect to RabbitMQ at ${where}: ${inWords(error)}`, { cause: error })
}

export function closed(): CorebusError {
  return new CorebusError('CLOSED', 'the RabbitMQ driver has been closed')
}

/** An error of several addresses (localhost is often two) has its words in its parts. */
export function inWords(error: Error): string {
  if (NO_VHOST.test(error.message)) return 'no such virtual host, or one that the user may not use'
  if (error instanceof AggregateError) return [...new Set(error.errors.map((one) => asError(one).message))].join(', ')
  return error.message
}
