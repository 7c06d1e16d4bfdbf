import { once } from 'node:events'
import { createServer, connect as dial, type Server, type Socket } from 'node:net'

/** 'up' is towards the broker, 'down' towards its client. */
export type Direction = 'up' | 'down' | 'both'

/** Stands between clients and a broker, and misbehaves as asked: on the connections in use and on those to come. */
export interface ChaosProxy {
  readonly port: number
  /** `url` with this proxy's address in place of the broker's. */
  readonly through: (url: string) => string
  /** Connections open now. */
  readonly connections: number
  /** Ends every connection with a reset, on both sides. New ones work. */
  cut(): void
  /** Ends each connection with a reset once so many more bytes have passed it. New ones work. */
  cutAfter(bytes: number, direction?: Direction): void
  /** Forgets every connection without a word: they stay open and swallow everything. New ones work. */
  vanish(): void
  /** Nothing passes any more, on old and new connections, and nothing is lost: `thaw` lets it through. */
  freeze(direction?: Direction): void
  thaw(): void
  /** Every chunk comes so much later, at most so many bytes a second. */
  slow(how: { readonly latencyMs?: number; readonly bytesPerSecond?: number; readonly direction?: Direction }): void
  /** As fast as can be again. */
  fast(): void
  /** New connections are refused; those there are stay. */
  refuse(): Promise<void>
  accept(): Promise<void>
  close(): Promise<void>
}

export interface ProxyOptions {
  readonly port: number
  readonly host?: string
}

interface Weather {
  frozen: Set<'up' | 'down'>
  slow: { latencyMs: number; bytesPerSecond: number; sides: ReadonlySet<'up' | 'down'> } | undefined
}

const BOTH = ['up', 'down'] as const
/** A slowed line moves pieces of this size, so that it is slow and does not stop and go. */
const PIECE_BYTES = 4 * 1024

/** @example const proxy = await chaosProxy({ port: 5672 }); connect(proxy.through(url)); proxy.cut() */
export async function chaosProxy({ port, host = '127.0.0.1' }: ProxyOptions): Promise<ChaosProxy> {
  const weather: Weather = { frozen: new Set(), slow: undefined }
  const pairs = new Set<Pair>()
  let own = 0
  let server = await listen()

  async function listen(): Promise<Server> {
    const made = createServer({ allowHalfOpen: true }, (client) => {
      const pair = new Pair(client, dial({ port, host, allowHalfOpen: true }), weather)
      pairs.add(pair)
      void pair.ended.then(() => pairs.delete(pair))
    })
    made.listen(own, '127.0.0.1')
    await once(made, 'listening')
    const address = made.address()
    if (address === null || typeof address === 'string') throw new Error('a TCP server without a port')
    own = address.port
    return made
  }

  return {
    get port() {
      return own
    },
    get connections() {
      return pairs.size
    },
    through(text) {
      const url = new URL(text)
      url.hostname = '127.0.0.1'
      url.port = String(own)
      return url.href
    },
    cut() {
      for (const pair of pairs) pair.reset()
    },
    cutAfter(bytes, direction = 'both') {
      for (const pair of pairs) pair.resetAfter(bytes, sidesOf(direction))
    },
    vanish() {
      for (const pair of pairs) pair.vanish()
    },
    freeze(direction = 'both') {
      for (const side of sidesOf(direction)) weather.frozen.add(side)
    },
    thaw() {
      weather.frozen.clear()
      for (const pair of pairs) pair.move()
    },
    slow({ latencyMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY, direction = 'both' }) {
      weather.slow = { latencyMs, bytesPerSecond, sides: new Set(sidesOf(direction)) }
    },
    fast() {
      weather.slow = undefined
      for (const pair of pairs) pair.move()
    },
    async refuse() {
      if (!server.listening) return
      // Closes the door at once; `close` would wait for those inside.
      server.close()
    },
    async accept() {
      if (!server.listening) server = await listen()
    },
    async close() {
      if (server.listening) server.close()
      for (const pair of pairs) pair.reset()
      await Promise.all([...pairs].map((pair) => pair.ended))
    },
  }
}

function sidesOf(direction: Direction): readonly ('up' | 'down')[] {
  return direction === 'both' ? BOTH : [direction]
}

/** One client and its connection to the broker. */
class Pair {
  readonly ended: Promise<unknown>
  readonly #sockets: readonly Socket[]
  readonly #lines: readonly Line[]

  constructor(client: Socket, broker: Socket, weather: Weather) {
    this.#sockets = [client, broker]
    for (const socket of this.#sockets) {
      socket.setNoDelay(true)
      // What happened to one side is passed on when it closes.
      socket.on('error', () => {})
    }
    this.#lines = [new Line('up', client, broker, weather), new Line('down', broker, client, weather)]
    for (const line of this.#lines) line.onUsedUp = () => this.reset()
    client.once('close', (hadError) => end(broker, hadError))
    broker.once('close', (hadError) => end(client, hadError))
    this.ended = Promise.all(this.#sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))))
  }

  reset(): void {
    for (const socket of this.#sockets) reset(socket)
  }

  resetAfter(bytes: number, sides: readonly ('up' | 'down')[]): void {
    for (const line of this.#lines) if (sides.includes(line.side)) line.budget = bytes
  }

  vanish(): void {
    for (const line of this.#lines) line.vanish()
  }

  move(): void {
    for (const line of this.#lines) line.move()
  }
}

/** A reset is passed on as one, an end as an end. */
function end(socket: Socket, hadError: boolean): void {
  if (hadError) reset(socket)
  else socket.end()
}

/** Of a socket that has been ended Node refuses the reset, and never closes it. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

/** One direction of a pair. */
class Line {
  readonly side: 'up' | 'down'
  budget: number = Number.POSITIVE_INFINITY
  onUsedUp: () => void = () => {}
  readonly #from: Socket
  readonly #to: Socket
  readonly #weather: Weather
  #waiting: { bytes: Buffer; at: number }[] = []
  #freeAt = 0
  #timer: NodeJS.Timeout | undefined
  #ending = false
  #vanished = false

  constructor(side: 'up' | 'down', from: Socket, to: Socket, weather: Weather) {
    this.side = side
    this.#from = from
    this.#to = to
    this.#weather = weather
    from.on('data', (bytes: Buffer) => this.#take(bytes))
    from.on('end', () => {
      this.#ending = true
      this.move()
    })
    from.once('close', () => clearTimeout(this.#timer))
    to.on('drain', () => this.move())
  }

  vanish(): void {
    this.#vanished = true
    this.#waiting = []
    this.#from.resume()
  }

  #take(bytes: Buffer): void {
    if (this.#vanished) return
    const { slow } = this.#weather
    const slowed = slow?.sides.has(this.side) ? slow : undefined
    for (let offset = 0; offset < bytes.length; offset += PIECE_BYTES) {
      const piece = bytes.subarray(offset, offset + (slowed ? PIECE_BYTES : bytes.length))
      const now = performance.now()
      this.#freeAt = Math.max(this.#freeAt, now) + (slowed ? (piece.length / slowed.bytesPerSecond) * 1_000 : 0)
      this.#waiting.push({ bytes: piece, at: this.#freeAt + (slowed?.latencyMs ?? 0) })
      if (!slowed) break
    }
    this.move()
  }

  /** Passes on what is due. */
  move(): void {
    clearTimeout(this.#timer)
    if (this.#vanished) return
    const { frozen, slow } = this.#weather
    while (this.#waiting.length > 0 && !frozen.has(this.side) && !this.#to.writableNeedDrain) {
      const [next] = this.#waiting
      if (!next) break
      const waitMs = slow?.sides.has(this.side) ? next.at - performance.now() : 0
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.move(), waitMs)
        break
      }
      this.#waiting.shift()
      if (!this.#pass(next.bytes)) return
    }
    // Who sends on into a line that stands still is held up, as on a real one.
    if (this.#waiting.length > 0) this.#from.pause()
    else if (this.#ending) this.#to.end()
    else this.#from.resume()
  }

  #pass(bytes: Buffer): boolean {
    this.#to.write(bytes.subarray(0, Math.min(bytes.length, this.budget)))
    this.budget -= bytes.length
    if (this.budget > 0) return true
    this.onUsedUp()
    return false
  }
}
