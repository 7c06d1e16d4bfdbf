import type { Logger } from 'pino'
import { held, monotonic } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { BrokerName } from '../config/messaging-options.ts'
import type { Clock, ConnectionState, Difference, Driver, DriverOptions, Topology } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import type { Observer } from '../observe/observer.ts'
import { inFrameAsLoaded } from '../process/frame.ts'
import { loadDriver } from './load-driver.ts'
import { whatAnswers } from './what-answers.ts'

/** How long a first connection may take before it is said that it is awaited. */
const QUIET_MS = 1_000

export interface Connection {
  /** Connects on first use. A failed first connection is tried anew by the next call. */
  driver(): Promise<Driver>
  /** Undefined when it was declared before. */
  ensureTopic(topic: string): Promise<void> | undefined
  /** @throws CorebusError TOPOLOGY when something is missing or differs. */
  ensure(topology: Topology): Promise<void>
  state(): ConnectionState['kind'] | 'idle' | 'connecting' | 'closed'
  /** Why nothing can be sent now; undefined while the broker is connected. */
  away(): string | undefined
  close(): Promise<void>
}

export interface ConnectionOptions {
  readonly config: Config
  readonly clock: Clock
  readonly observer: Observer
  readonly logger: Logger
  readonly load?: (broker: Config['broker'], options: DriverOptions) => Driver | Promise<Driver>
}

/** A driver of somebody else's comes with its own way to be made. */
const loadOurs: NonNullable<ConnectionOptions['load']> = (broker, options) => loadDriver(broker as BrokerName, options)

/** Makes the one broker connection of an instance. It connects when it is first needed, is announced once, and its troubles are said once each way. */
export function createConnection({ config, clock, observer, logger, load = loadOurs }: ConnectionOptions): Connection {
  let connecting: Promise<Driver> | undefined
  let current: ReturnType<Connection['state']> = 'idle'
  let troubleSince: number | undefined
  let trouble: string | undefined
  let made: Driver | undefined
  let said = false
  const ensured = new Map<string, Promise<void> | true>()
  const closed = () => new CorebusError('CLOSED', 'this instance is closed')
  const state = () => current

  function driver(): Promise<Driver> {
    if (current === 'closed') return Promise.reject(closed())
    // A process that has nothing else to do yet waits for its broker, and does not end without a word.
    connecting ??= held(() => inFrameAsLoaded(connect)).catch((error: unknown) => {
      connecting = undefined
      if (current === 'closed') throw closed()
      current = 'idle'
      throw error
    })
    return connecting
  }

  async function connect(): Promise<Driver> {
    const { broker, url, service, prefix, publishTimeoutMs, durability, tls, auth, client, topics } = config
    current = 'connecting'
    announce()
    const given = { tls, ...(auth && { auth }), ...(client && { client }), ...(topics && { topics }) }
    const loaded = await load(broker, { url, service, prefix, publishTimeoutMs, clock, durability, ...given })
    if (state() === 'closed') throw closed()
    made = loaded
    const wait = sayWhatIsAwaited()
    try {
      await loaded.connect(changeState)
    } catch (thrown) {
      made = undefined
      await loaded.close().catch(() => undefined) // what went wrong is told by the connect
      throw withReason(thrown, await (wait.found ?? whatAnswers(broker, url, tls !== false)))
    } finally {
      wait.stop()
    }
    if (state() === 'closed') throw closed()
    if (state() === 'connecting') changeState({ kind: 'connected' })
    return loaded
  }

  /** A broker that is not there is tried for many seconds before that is an error: whoever looks on is told after one. */
  function sayWhatIsAwaited(): { readonly found: Promise<string | undefined> | undefined; readonly stop: () => void } {
    const { broker, where, url, tls } = config
    let found: Promise<string | undefined> | undefined
    const stop = clock.after(QUIET_MS, () => {
      if (state() !== 'connecting') return
      logger.warn({ broker, where }, `waiting for broker ${broker} at ${where}: no connection after ${QUIET_MS / 1_000} s, still trying`)
      found = whatAnswers(broker, url, tls !== false)
      void found.then((answer) => {
        if (answer === undefined || state() !== 'connecting') return
        trouble = answer
        logger.warn({ broker, where }, answer)
      })
    })
    return {
      get found() {
        return found
      },
      stop,
    }
  }

  /** Once, however often the first connection is tried. */
  function announce(): void {
    const { broker, where, why, hints, instead } = config
    if (said) return
    said = true
    const line = `broker ${broker} at ${where} (${why})`
    if (instead === undefined) logger.info({ broker, where, why }, line)
    else logger.warn({ broker, where, why, instead }, `${line}. ${instead}`)
    for (const hint of hints) logger.warn(hint)
  }

  function changeState(state: ConnectionState): void {
    // The same trouble is said once; another one is news.
    const why = state.kind === 'connected' ? undefined : state.error.message
    if (current === 'closed' || (current === state.kind && trouble === why)) return
    const { broker, where } = config
    const lost = current === 'reconnecting' ? 'cannot be reached again yet, still trying' : 'is lost, coming back by itself'
    current = state.kind
    trouble = why
    if (state.kind === 'connected') {
      observer.state('connected')
      if (state.notice) logger.warn({ broker, where, err: state.notice }, state.notice.message)
      if (troubleSince !== undefined)
        logger.info(
          { broker, where },
          `broker ${broker} at ${where} is back after ${((monotonic(clock) - troubleSince) / 1000).toFixed(1)} s`,
        )
      troubleSince = undefined
      return
    }
    observer.state(state.kind, { error: state.error })
    troubleSince ??= monotonic(clock)
    const line = { broker, where, err: state.error }
    if (state.kind === 'dead') logger.error(line, `broker ${broker} at ${where} cannot be used any more: ${state.error.message}`)
    else if (state.kind === 'blocked') logger.warn(line, `broker ${broker} at ${where} takes no publishes: ${state.error.message}`)
    else logger.warn(line, `broker ${broker} at ${where} ${lost}: ${state.error.message}`)
  }

  async function ensure(topology: Topology): Promise<void> {
    const differences = await held(async () => (await driver()).ensure(topology, config.topology))
    if (differences.length > 0) throw topologyError(differences, config.topology)
    for (const topic of topology.topics) ensured.set(topic, true)
  }

  function ensureTopic(topic: string): Promise<void> | undefined {
    const known = ensured.get(topic)
    if (known === true) return undefined
    if (known) return known
    const asked = ensure({ topics: [topic], groups: [] }).catch((error: unknown) => {
      ensured.delete(topic)
      throw error
    })
    ensured.set(topic, asked)
    return asked
  }

  function away(): string | undefined {
    return current === 'connected' ? undefined : (trouble ?? 'there is no connection to the broker yet')
  }

  async function close(): Promise<void> {
    current = 'closed'
    // Also while it connects, which may take as long as the broker is away: then the connect rejects.
    await made?.close()
  }

  return { driver, ensureTopic, ensure, state, away, close }
}

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
