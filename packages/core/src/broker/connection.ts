import { held } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { BrokerName } from '../config/messaging-options.ts'
import { refuseNamesakes } from '../config/names-options.ts'
import type { ConnectionState, Difference, Driver, DriverOptions, Topology } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { inFrameAsLoaded } from '../process/frame.ts'
import { readyForIds } from '../wire/id.ts'
import { ConnectionLines, type LinesOptions, whatAnswersAt } from './connection-lines.ts'
import { loadDriver } from './load-driver.ts'

/** `idle`: nobody has asked for it yet. `unreachable`: the first connection failed, and the next use tries anew. */
export type State = ConnectionState['kind'] | 'idle' | 'connecting' | 'unreachable' | 'closed'

export interface ConnectionOptions extends LinesOptions {
  readonly load?: (broker: Config['broker'], options: DriverOptions) => Driver | Promise<Driver>
}

/** A driver of somebody else's comes with its own way to be made. */
const loadOurs: NonNullable<ConnectionOptions['load']> = (broker, options) => loadDriver(broker as BrokerName, options)

/** The one broker connection of an instance. It connects when it is first needed, is announced once, and its troubles are said once each way. */
export class Connection {
  /** Called with the driver before it connects. What it throws fails the connect. */
  guard: ((driver: Driver) => void) | undefined
  readonly #with: ConnectionOptions
  readonly #load: NonNullable<ConnectionOptions['load']>
  readonly #lines: ConnectionLines
  /** Topics that are declared, and those that are being declared. */
  readonly #ensured = new Map<string, Promise<void> | true>()
  #state: State = 'idle'
  #connecting: Promise<Driver> | undefined
  #made: Driver | undefined

  constructor(options: ConnectionOptions) {
    this.#with = options
    this.#load = options.load ?? loadOurs
    this.#lines = new ConnectionLines(options)
  }

  state(): State {
    return this.#state
  }

  /** Why nothing can be sent now; undefined while the broker is connected. */
  away(): string | undefined {
    return this.#state === 'connected' ? undefined : (this.#lines.trouble ?? 'there is no connection to the broker yet')
  }

  /** Connects on first use. A failed first connection is tried anew by the next call. */
  driver(): Promise<Driver> {
    if (this.#state === 'closed') return Promise.reject(closed())
    // A process that has nothing else to do yet waits for its broker, and does not end without a word.
    this.#connecting ??= held(() => inFrameAsLoaded(() => this.#connect())).catch((error: unknown) => {
      this.#connecting = undefined
      if (this.#state === 'closed') throw closed()
      this.#state = 'unreachable'
      throw error
    })
    return this.#connecting
  }

  /** Tries a first connection that failed once more, so that whoever is sent no requests until it is ready does not wait for one. */
  tryAgain(): void {
    if (this.#state === 'unreachable') this.driver().catch(() => undefined) // the state says it
  }

  async #connect(): Promise<Driver> {
    const { config } = this.#with
    this.#state = 'connecting'
    this.#lines.announce()
    const driver = await this.#load(config.broker, this.#driverOptions())
    this.guard?.(driver)
    readyForIds()
    if (this.state() === 'closed') throw closed()
    this.#made = driver
    const wait = this.#lines.awaited(() => this.#state === 'connecting')
    try {
      await driver.connect((state) => this.#change(state))
    } catch (thrown) {
      this.#made = undefined
      await driver.close().catch(() => undefined) // what went wrong is told by the connect
      throw withReason(thrown, await (wait.found() ?? whatAnswersAt(config)))
    } finally {
      wait.stop()
    }
    if (this.state() === 'closed') throw closed()
    if (this.state() === 'connecting') this.#change({ kind: 'connected' })
    return driver
  }

  #driverOptions(): DriverOptions {
    const { clock, config } = this.#with
    const { url, service, prefix, publishTimeoutMs, durability, tls, auth, client, topics, names } = config
    const given = { ...(auth && { auth }), ...(client && { client }), ...(topics && { topics }), ...(names && { names }) }
    return { url, service, prefix, publishTimeoutMs, clock, durability, tls, ...given }
  }

  #change(state: ConnectionState): void {
    const before = this.#state
    // The same trouble is said once; another one is news.
    const why = state.kind === 'connected' ? undefined : state.error.message
    if (before === 'closed' || (before === state.kind && this.#lines.trouble === why)) return
    this.#state = state.kind
    if (state.kind === 'connected') this.#lines.connected(state.notice)
    else this.#lines.lost(state, before === 'reconnecting')
  }

  /** @throws CorebusError TOPOLOGY when something is missing or differs, CONFIG when two topics would be one. */
  async ensure(topology: Topology): Promise<void> {
    const { topology: mode, namesakes } = this.#with.config
    refuseNamesakes(topology.topics, namesakes)
    const differences = await held(async () => (await this.driver()).ensure(topology, mode))
    if (differences.length > 0) throw topologyError(differences, mode)
    for (const topic of topology.topics) this.#ensured.set(topic, true)
  }

  /** Undefined when it was declared before. */
  ensureTopic(topic: string): Promise<void> | undefined {
    const known = this.#ensured.get(topic)
    if (known === true) return undefined
    if (known) return known
    const asked = this.ensure({ topics: [topic], groups: [] }).catch((error: unknown) => {
      this.#ensured.delete(topic)
      throw error
    })
    this.#ensured.set(topic, asked)
    return asked
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    // Also while it connects, which may take as long as the broker is away: then the connect rejects.
    await this.#made?.close()
  }
}

const closed = (): CorebusError => new CorebusError('CLOSED', 'this instance is closed')

function withReason(thrown: unknown, reason: string | undefined): unknown {
  if (reason === undefined || !(thrown instanceof CorebusError)) return thrown
  return new CorebusError(thrown.code, `${thrown.message}. ${reason}`, { cause: thrown })
}

export function topologyError(differences: readonly Difference[], mode: 'create' | 'check'): CorebusError {
  const lines = differences.map(({ what, wanted, found }) => `  - ${what}: wanted ${wanted}, found ${found}`).join('\n')
  const advice =
    mode === 'check'
      ? "create them (topology: 'create' may), or correct the names"
      : 'nothing is altered: make the declarations agree, or remove what is there'
  return new CorebusError('TOPOLOGY', `the broker differs from what the handlers and publishers need; ${advice}:\n${lines}`)
}
