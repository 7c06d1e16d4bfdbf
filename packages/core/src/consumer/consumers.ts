import { CorebusError } from '../errors.ts'
import type { HandlerSpec } from '../handlers/handler.ts'
import type { Handling } from './group-run-options.ts'
import type { Groups, GroupsOptions } from './groups.ts'
import type { Health } from './health.ts'
import type { StartOptions } from './start-options.ts'

/** The groups that run in this process, from the one start that it may have to its end. */
export class Consumers {
  readonly #with: GroupsOptions
  #groups: Groups | undefined
  #starting: Promise<void> | undefined
  #opened = false
  #longestRetryMs = 0
  readonly #closing = Promise.withResolvers<never>()

  constructor(options: GroupsOptions) {
    this.#with = options
    this.#closing.promise.catch(() => undefined) // told to a start that waits
  }

  get started(): boolean {
    return this.#starting !== undefined
  }

  start(specs: readonly HandlerSpec[], options: StartOptions): Promise<void> {
    if (this.#starting)
      return Promise.reject(new CorebusError('STARTED', 'start was called before: one start names all topics and groups of this process'))
    this.#starting = this.#start(specs, options).catch(async (error: unknown) => {
      // Before anything was opened it may be tried again. After that what runs already must not run on by itself.
      if (this.#opened) await this.#groups?.drain()
      else this.#starting = undefined
      throw error
    })
    return this.#starting
  }

  async #start(specs: readonly HandlerSpec[], startOptions: StartOptions): Promise<void> {
    const { connection, logger, options, companions } = this.#with
    // What handles messages is loaded by who handles some, while the connection is made.
    const [driver, { Groups }] = await this.#unlessClosed(Promise.all([connection.driver(), import('./groups.ts')]))
    const groups = new Groups(specs, driver, startOptions, this.#with)
    this.#longestRetryMs = groups.longestRetryMs
    await groups.bind()
    this.#opened = true
    if (!driver.members)
      logger.info(
        `members of a group do not know each other: driver ${driver.name} has no members. What only another version handles is skipped`,
      )
    await options.onStart?.()
    // After onStart, which may make the tables.
    await this.#unlessClosed(companions.check())
    companions.begin()
    const news = await this.#unlessClosed(groups.news())
    await this.#unlessClosed(connection.ensure(groups.topology()))
    // Counted before the first is handled.
    const waiting = await this.#unlessClosed(groups.backlogs(news))
    this.#groups = groups
    await this.#unlessClosed(groups.start())
    groups.sayStarted(news, waiting)
  }

  /** A close does not wait for a broker that is away. */
  #unlessClosed<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#closing.promise])
  }

  /** The retries of all groups that are registered, as far as the start has planned them; 0 before it. */
  longestRetryMs(): number {
    return this.#longestRetryMs
  }

  health(): Health {
    const groups = this.#groups?.health() ?? []
    const stuck = this.#groups?.stuck
    const connection = this.#with.connection.state()
    this.#with.connection.tryAgain()
    const { stalledMs } = this.#with.config
    const dead = groups.filter((group) => group.state === 'dead')
    const notLive = [
      ...dead.map(({ group }) => `group ${group} stopped consuming and cannot go on`),
      ...(stuck === undefined ? [] : [stuck]),
      ...(connection === 'dead' ? ['the broker connection cannot be used any more'] : []),
    ]
    const notReady = [
      // A process that has had nothing to publish, such as one that answers reads, is not kept from its work.
      ...(connection === 'connected' || connection === 'idle' ? [] : [`broker ${connection}`]),
      ...(this.started && !this.#groups ? ['starting'] : []),
      ...groups.filter(({ state }) => state !== 'consuming' && state !== 'dead').map(({ group, state }) => `group ${group} is ${state}`),
      ...groups.flatMap(({ group, unstorable }) => unstorable.map((what) => `group ${group} cannot settle ${what}`)),
      ...groups
        .filter(({ waitingMs }) => waitingMs > stalledMs)
        .map(({ group }) => `group ${group} has settled nothing for more than ${stalledMs} ms (stalledMs)`),
    ]
    return { live: notLive.length === 0, ready: notLive.length === 0 && notReady.length === 0, reasons: [...notLive, ...notReady], groups }
  }

  /** How each group of this process handles, for the test kit. */
  handling(): readonly Handling[] {
    return this.#groups?.handling() ?? []
  }

  async drain(): Promise<void> {
    this.#closing.reject(new CorebusError('CLOSED', 'this instance was closed while it started'))
    // A start that failed told its caller.
    await this.#starting?.catch(() => undefined)
    await this.#groups?.drain()
  }

  async end(): Promise<void> {
    if (!this.#opened) return
    this.#opened = false
    await this.#with.options.onClose?.()
  }
}
