import type { Logger } from 'pino'
import type { Connection } from '../broker/connection.ts'
import { type Clock, runtimeOf } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { targetWords } from '../config/letter-target-options.ts'
import type { MessagingOptions } from '../config/messaging-options.ts'
import { sourceWords } from '../config/source-options.ts'
import type { Driver, Message, Topology } from '../driver.ts'
import { asOwnPlaces, checkLetterTargets, lettersOfOthers } from '../handlers/dead-letters.ts'
import type { HandlerFunction, HandlerSpec, Resolve } from '../handlers/handler.ts'
import { type GroupPlan, handlersOf, longestRetryMs, ownTopics, planGroups, topologyOf } from '../handlers/plan.ts'
import { select } from '../handlers/select.ts'
import { asOwnLogs, checkSources, sourcesFor } from '../handlers/sources.ts'
import type { Observer } from '../observe/observer.ts'
import type { HandleMiddleware } from '../publish/middleware.ts'
import type { Owner } from '../scope/publishing.ts'
import type { Outlet } from '../scope/scope.ts'
import { drain } from './drain.ts'
import { GroupRun } from './group-run.ts'
import type { Handling } from './group-run-options.ts'
import type { GroupHealth } from './health.ts'
import { Members } from './members.ts'
import { Minute } from './minute.ts'
import { backlogs, type News, newsOf, sayNewTopics } from './news.ts'
import type { StartOptions } from './start-options.ts'

export interface GroupsOptions {
  readonly config: Config
  readonly clock: Clock
  readonly random: () => number
  readonly connection: Connection
  readonly observer: Observer
  readonly logger: Logger
  /** What handlers say is their own. */
  readonly handlersLogger: Logger
  readonly options: MessagingOptions
  readonly resolve: Resolve
  readonly handleMiddleware: readonly HandleMiddleware[]
  readonly owner: Owner
  readonly outlet: Outlet
  /** What is checked and begun before the first handler runs. */
  readonly companions: { check(): Promise<void>; begin(): void }
}

type Backlogs = Awaited<ReturnType<typeof backlogs>>

/** The groups that a start has chosen: how each is planned, declared, run and drained. Whoever only publishes never loads this. */
export class Groups {
  readonly #with: GroupsOptions
  readonly #driver: Driver
  readonly #startOptions: StartOptions
  readonly #plans: readonly GroupPlan[]
  /** Of all groups, also of those that run elsewhere. */
  readonly longestRetryMs: number
  #bound: ReadonlyMap<HandlerSpec, HandlerFunction> = new Map()
  #runs: readonly GroupRun[] = []
  #stuck: string | undefined

  /** @throws CorebusError HANDLERS, SELECTION, SOURCE, TARGET */
  constructor(specs: readonly HandlerSpec[], driver: Driver, startOptions: StartOptions, options: GroupsOptions) {
    this.#with = options
    this.#driver = driver
    this.#startOptions = startOptions
    const plans = this.#plan(specs)
    this.longestRetryMs = longestRetryMs(plans)
    // A start without handlers runs what works beside them.
    this.#plans = specs.length === 0 && !(startOptions.topics ?? startOptions.groups) ? [] : select(plans, startOptions)
    checkSources(this.#plans, driver.name, driver.capabilities)
    checkLetterTargets(this.#plans, driver.name, driver.capabilities)
  }

  #plan(specs: readonly HandlerSpec[]): readonly GroupPlan[] {
    const { config, options } = this.#with
    const { concurrency } = this.#startOptions
    const plans = planGroups(specs, {
      service: config.service,
      defaultTopic: config.defaultTopic,
      retry: config.retry,
      concurrency: config.concurrency,
      maxUnsettled: config.maxUnsettled,
      handlerTimeoutMs: config.handlerTimeoutMs,
      broker: this.#driver.name,
      capabilities: this.#driver.capabilities,
      formats: config.formats,
      configured: options,
    })
    return concurrency === undefined ? plans : plans.map((plan) => ({ ...plan, concurrency }))
  }

  /** Makes the instances that the handlers are methods of. */
  async bind(): Promise<void> {
    const { resolve } = this.#with
    const bound = new Map<HandlerSpec, HandlerFunction>()
    for (const plan of this.#plans)
      for (const topic of plan.topics.values())
        for (const { spec } of handlersOf(topic)) if (!bound.has(spec)) bound.set(spec, await spec.bind(resolve))
    this.#bound = bound
  }

  /** What the broker does not know yet; asked before it is declared. */
  news(): Promise<News> {
    return newsOf(this.#driver, this.#plans)
  }

  topology(): Topology {
    const { capabilities } = this.#driver
    return {
      topics: [...new Set(this.#plans.flatMap((plan) => ownTopics(plan, capabilities)))],
      groups: this.#plans.flatMap((plan) => topologyOf(plan, capabilities)),
    }
  }

  /** What waits for the new groups. */
  backlogs(news: News): Promise<Backlogs> {
    return backlogs(this.#driver, news.groups)
  }

  /** Resolves when all are consuming. */
  async start(): Promise<void> {
    this.#runs = this.#plans.map((plan) => this.#run(plan))
    await Promise.all(this.#runs.map((run) => run.start()))
  }

  #run(plan: GroupPlan): GroupRun {
    const { clock, random, observer, config, options, handleMiddleware, handlersLogger, owner, outlet } = this.#with
    const { session, inbox } = options
    const { service, version } = config
    const { members: notes } = this.#driver
    const minute = new Minute()
    const busy = () => run.health().running
    const members = notes && new Members({ plan, notes, service, version, clock: runtimeOf(clock), logger: observer.logger, minute, busy })
    const run: GroupRun = new GroupRun({
      members,
      minute,
      plan,
      driver: this.#driver,
      clock,
      random,
      observer,
      crashLimit: config.crashLimit,
      abortGraceMs: config.abortGraceMs,
      dispatch: {
        group: plan.group,
        bound: this.#bound,
        session,
        inbox,
        middleware: handleMiddleware,
        logger: handlersLogger,
        owner,
        outlet,
        members,
        driver: this.#driver,
        onWithoutId: (message) => observer.withoutId(message, plan.group),
      },
      onStuck: (group, message) => this.#giveUp(group, message),
    })
    return run
  }

  sayStarted(news: News, waiting: Backlogs): void {
    const { logger } = this.#with
    const { name, capabilities } = this.#driver
    for (const own of [asOwnLogs(this.#plans, name, capabilities), asOwnPlaces(this.#plans, name, capabilities)])
      if (own !== undefined) logger.info(own)
    for (const plan of this.#plans) {
      const topics = [...plan.topics.keys()]
      // The pid is in the text: pino has a field of that name already, and pretty output leaves it out.
      const sources = sourcesFor(plan, capabilities)
      const from = [...sources].map(([topic, source]) => `, ${topic} from ${sourceWords(source)}`).join('')
      const to = lettersOfOthers([plan], capabilities).map(({ topic, to }) => `, dead letters of ${topic} to ${targetWords(to)}`)
      const what = `group ${plan.group}, topics ${topics.join(', ')}${from}${to.join('')}, concurrency ${plan.concurrency}`
      logger.info({ group: plan.group, topics }, `consumer started: pid ${process.pid}, ${what}`)
    }
    for (const { line, ...fields } of waiting) logger.info(fields, line)
    sayNewTopics(logger, news)
  }

  /** Nothing new starts; when only handlers are left that cannot be stopped, the process can end. */
  #giveUp(group: string, message: Message): void {
    const { onStuck } = this.#startOptions
    const what = `a handler of ${group} still runs after its time-out and grace, on message ${message.id} of ${message.topic}`
    this.#with.logger.error(
      { group, topic: message.topic, id: message.id },
      `${what}. JavaScript cannot stop it: no new work is taken, and this process should be restarted`,
    )
    // The process is stuck for good: no group takes work any more, even if this handler comes to an end after all.
    const first = this.#stuck === undefined
    this.#stuck ??= what
    const others = this.#runs.map((run) => run.stopBesideStuck())
    if (onStuck && first) void Promise.all(others).then(() => onStuck(what)) // stopBesideStuck never rejects
  }

  /** Which handler cannot be stopped any more, in words. */
  get stuck(): string | undefined {
    return this.#stuck
  }

  handling(): readonly Handling[] {
    return this.#runs.map((run) => run.handling)
  }

  health(): readonly GroupHealth[] {
    return this.#runs.map((run) => run.health())
  }

  async drain(): Promise<void> {
    const { clock, config, connection, logger } = this.#with
    const { shutdownMs, abortGraceMs } = config
    await drain(this.#runs, { clock: runtimeOf(clock), shutdownMs, abortGraceMs, logger, isUp: () => connection.state() === 'connected' })
  }
}
