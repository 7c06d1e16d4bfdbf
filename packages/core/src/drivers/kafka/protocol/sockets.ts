import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import type { ISocketFactory, ISocketFactoryArgs } from 'kafkajs'

const KEEP_ALIVE_MS = 60_000

const openOurs: ISocketFactory = ({ host, port, ssl, onConnect }) =>
  ssl
    ? tls.connect({ host, port, ...(net.isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
    : net.connect({ host, port }, onConnect)

class Silent extends Error {}

/** Every socket of one client: to hear of those that are lost, and to let go of those whose peer is silent, which kafkajs never does. */
export class Sockets {
  readonly #onLost: (error: Error, silent: boolean) => void
  readonly #openSocket: ISocketFactory
  readonly #open = new Map<Socket, string>()
  readonly #letGo = new WeakSet<Socket>()
  #closing = false

  /** `onLost` hears whether it was gone without a word. */
  constructor(onLost: (error: Error, silent: boolean) => void, openSocket: ISocketFactory = openOurs) {
    this.#onLost = onLost
    this.#openSocket = openSocket
  }

  readonly factory = (given: ISocketFactoryArgs): Socket => {
    const { host, port } = given
    const socket = this.#openSocket(given)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.setNoDelay(true)
    // kafkajs lets go of one that is still connecting as often as it is asked to, and each time listens for its connection.
    socket.setMaxListeners(0)
    this.#open.set(socket, `${host}:${port}`)
    let connected = false
    let cause: Error | undefined
    socket.once('connect', () => {
      connected = true
    })
    socket.on('error', (error: Error) => {
      cause = error
    })
    socket.once('end', () => {
      if (!socket.writableEnded) cause ??= new Error('closed by the broker')
    })
    socket.once('close', () => {
      this.#open.delete(socket)
      if (connected && cause && !this.#closing && !this.#letGo.has(socket)) this.#onLost(cause, cause instanceof Silent)
    })
    return socket
  }

  /** A request to this server was not answered in time: it may be gone without a word. */
  silent(server: string): void {
    for (const [socket, to] of this.#open) if (to === server) socket.destroy(new Silent(`${server} does not answer`))
  }

  /** Another client has lost the server, which is known then: these may be gone without a word too, and are opened anew when they are needed. */
  letGo(): void {
    for (const socket of this.#open.keys()) {
      this.#letGo.add(socket)
      socket.destroy(new Error('let go'))
    }
  }

  /** Nothing more is heard of them. */
  closing(): void {
    this.#closing = true
  }

  destroy(): void {
    this.#closing = true
    for (const socket of this.#open.keys()) socket.destroy(new Error('closed'))
  }
}
