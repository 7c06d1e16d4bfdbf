import type { Logger } from 'pino'
import type { Connection } from '../broker/connection.ts'
import { type Clock, runtimeOf } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { CONCURRENCY } from '../config/group-options.ts'
import type { MessagingOptions } from '../config/messaging-options.ts'
import type { Driver, Message } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import type { HandlerFunction, HandlerSpec, Resolve } from '../handlers/handler.ts'
import { type GroupPlan, handlersOf, planGroups, topologyOf } from '../handlers/plan.ts'
import { type Selection, select } from '../handlers/select.ts'
import type { Observer } from '../observe/observer.ts'
import { callable, isText, must, type Option } from '../options/option.ts'
import type { HandleMiddleware } from '../publish/middleware.ts'
import type { Publishing } from '../scope/publishing.ts'
import type { Outlet } from '../scope/scope.ts'
import { drain } from './drain.ts'
import { GroupRun } from './group-run.ts'
import type { Health } from './health.ts'
import { Members } from './members.ts'
import { Minute } from './minute.ts'
import { backlogs, newsOf, sayNewTopics } from './news.ts'

export interface StartOptions extends Selection {
  /** Handlers at once per group, instead of what groups and app say. */
  readonly concurrency?: number
  /** A handler cannot be stopped any more (past its time-out and grace), and everything else has finished: end the process. */
  readonly onStuck?: (what: string) => void
}

const names = must('an array of strings', (value) => Array.isArray(value) && value.every(isText))

export const START: Readonly<Record<keyof StartOptions, Option>> = {
  topics: { default: 'all with `autoStart`', must: names, text: 'only these; then also those with `autoStart: false`' },
  groups: { default: 'all with `autoStart`', must: names, text: 'the same for groups' },
  concurrency: { default: "the app's and the groups'", must: CONCURRENCY, text: 'handlers at once per group, instead of theirs' },
  onStuck: {
    default: 'none',
    must: callable,
    text: 'a handler can no longer be stopped and everything else has finished: end the process',
  },
}

export interface ConsumersOptions {
  readonly config: Config
  readonly clock: Clock
  readonly connection: Connection
  readonly observer: Observer
  readonly logger: Logger
  /** What handlers say is their own. */
  readonly handlersLogger: Logger
  readonly options: MessagingOptions
  readonly resolve: Resolve
  readonly handleMiddleware: readonly HandleMiddleware[]
  readonly owner: Publishing
  readonly outlet: Outlet
}

/** The groups that run in this process. */
export class Consumers {
  readonly #with: ConsumersOptions
  #runs: readonly GroupRun[] = []
  #starting: Promise<void> | undefined
  #opened = false
  readonly #closing = Promise.withResolvers<never>()
  #stuck: string | undefined

  constructor(options: ConsumersOptions) {
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
      if (this.#opened) await this.#drainRuns()
      else this.#starting = undefined
      throw error
    })
    return this.#starting
  }

  async #start(specs: readonly HandlerSpec[], startOptions: StartOptions): Promise<void> {
    const { connection, logger, options } = this.#with
    const driver = await this.#unlessClosed(connection.driver())
    const plans = select(this.#plan(specs, driver, startOptions), startOptions)
    const bound = await this.#bind(plans)
    this.#opened = true
    if (!driver.members)
      logger.info(
        `members of a group do not know each other: driver ${driver.name} has no members. What only another version handles is skipped`,
      )
    await options.onStart?.()
    const news = await this.#unlessClosed(newsOf(driver, plans))
    await this.#unlessClosed(
      connection.ensure({ topics: [...new Set(plans.flatMap((plan) => [...plan.topics.keys()]))], groups: plans.flatMap(topologyOf) }),
    )
    // Counted before the first is handled.
    const waiting = await this.#unlessClosed(backlogs(driver, news.groups))
    this.#runs = plans.map((plan) => this.#run(plan, driver, bound, startOptions))
    await this.#unlessClosed(Promise.all(this.#runs.map((run) => run.start())))
    for (const plan of plans) {
      const topics = [...plan.topics.keys()]
      // The pid is in the text: pino has a field of that name already, and pretty output leaves it out.
      const what = `group ${plan.group}, topics ${topics.join(', ')}, concurrency ${plan.concurrency}`
      logger.info({ group: plan.group, topics }, `consumer started: pid ${process.pid}, ${what}`)
    }
    for (const { line, ...fields } of waiting) logger.info(fields, line)
    sayNewTopics(logger, news)
  }

  /** A close does not wait for a broker that is away. */
  #unlessClosed<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#closing.promise])
  }

  #plan(specs: readonly HandlerSpec[], driver: Driver, { concurrency }: StartOptions): readonly GroupPlan[] {
    const { config } = this.#with
    const plans = planGroups(specs, {
      service: config.service,
      defaultTopic: config.defaultTopic,
      retry: config.retry,
      concurrency: config.concurrency,
      maxUnsettled: config.maxUnsettled,
      handlerTimeoutMs: config.handlerTimeoutMs,
      broker: driver.name,
      capabilities: driver.capabilities,
      configured: this.#with.options,
    })
    return concurrency === undefined ? plans : plans.map((plan) => ({ ...plan, concurrency }))
  }

  async #bind(plans: readonly GroupPlan[]): Promise<ReadonlyMap<HandlerSpec, HandlerFunction>> {
    const { resolve } = this.#with
    const bound = new Map<HandlerSpec, HandlerFunction>()
    for (const plan of plans)
      for (const topic of plan.topics.values())
        for (const { spec } of handlersOf(topic)) if (!bound.has(spec)) bound.set(spec, await spec.bind(resolve))
    return bound
  }

  #run(plan: GroupPlan, driver: Driver, bound: ReadonlyMap<HandlerSpec, HandlerFunction>, { onStuck }: StartOptions): GroupRun {
    const { clock, observer, config, options, handleMiddleware, handlersLogger, owner, outlet } = this.#with
    const { session, inbox, outbox } = options
    const { service, version } = config
    const minute = new Minute()
    const busy = () => run.health().running
    const { members: notes } = driver
    const members = notes && new Members({ plan, notes, service, version, clock: runtimeOf(clock), logger: observer.logger, minute, busy })
    const run: GroupRun = new GroupRun({
      ...{ members, minute },
      plan,
      driver,
      clock,
      random: Math.random,
      observer,
      crashLimit: config.crashLimit,
      abortGraceMs: config.abortGraceMs,
      dispatch: {
        group: plan.group,
        unknown: plan.unknown,
        bound,
        session,
        inbox,
        outbox,
        middleware: handleMiddleware,
        logger: handlersLogger,
        owner,
        outlet,
        members,
      },
      onStuck: (group, message) => this.#giveUp(group, message, onStuck),
    })
    return run
  }

  /** Nothing new starts; when only handlers are left that cannot be stopped, the process can end. */
  #giveUp(group: string, message: Message, onStuck: StartOptions['onStuck']): void {
    const what = `a handler of ${group} still runs after its time-out and grace, on message ${message.id} of ${message.topic}`
    this.#with.logger.error(
      { group, topic: message.topic, id: message.id },
      `${what}. JavaScript cannot stop it: no new work is taken, and this process should be restarted`,
    )
    // For good: no group takes work any more, even if this handler comes to an end after all.
    const first = this.#stuck === undefined
    this.#stuck ??= what
    const others = this.#runs.map((run) => run.stopBesideStuck())
    if (onStuck && first) void Promise.all(others).then(() => onStuck(what)) // stopBesideStuck never rejects
  }

  health(): Health {
    const groups = this.#runs.map((run) => run.health())
    const connection = this.#with.connection.state()
    const { stalledMs } = this.#with.config
    const dead = groups.filter((group) => group.state === 'dead')
    const notLive = [
      ...dead.map(({ group }) => `group ${group} stopped consuming and cannot go on`),
      ...(this.#stuck === undefined ? [] : [this.#stuck]),
      ...(connection === 'dead' ? ['the broker connection cannot be used any more'] : []),
    ]
    const notReady = [
      ...(connection === 'connected' ? [] : [`broker ${connection}`]),
      ...(this.started && groups.length === 0 ? ['starting'] : []),
      ...groups.filter(({ state }) => state !== 'consuming' && state !== 'dead').map(({ group, state }) => `group ${group} is ${state}`),
      ...groups.flatMap(({ group, unstorable }) => unstorable.map((what) => `group ${group} cannot settle ${what}`)),
      ...groups
        .filter(({ waitingMs }) => waitingMs > stalledMs)
        .map(({ group }) => `group ${group} has settled nothing for more than ${stalledMs} ms (stalledMs)`),
    ]
    return { live: notLive.length === 0, ready: notLive.length === 0 && notReady.length === 0, reasons: [...notLive, ...notReady], groups }
  }

  async drain(): Promise<void> {
    this.#closing.reject(new CorebusError('CLOSED', 'this instance was closed while it started'))
    // A start that failed told its caller.
    await this.#starting?.catch(() => undefined)
    await this.#drainRuns()
  }

  async #drainRuns(): Promise<void> {
    const { clock, config, connection, logger } = this.#with
    const { shutdownMs, abortGraceMs } = config
    await drain(this.#runs, { clock: runtimeOf(clock), shutdownMs, abortGraceMs, logger, isUp: () => connection.state() === 'connected' })
  }

  async end(): Promise<void> {
    if (!this.#opened) return
    this.#opened = false
    await this.#with.options.onClose?.()
  }
}
