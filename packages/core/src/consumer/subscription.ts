import { AsyncLocalStorage } from 'node:async_hooks'
import { type Clock, Hold, sleep } from '../clock.ts'
import type { Delivery, Driver, Message, Subscription, SubscriptionState } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import type { GroupPlan } from '../group.ts'
import type { Observer } from '../observe.ts'
import { type DispatchOptions, type Dispatched, dispatch } from './dispatch.ts'
import { Lanes, type Rest } from './lanes.ts'
import { Limit } from './limit.ts'
import { outcomeOf } from './outcome.ts'
import { reportHandling, reportOutcome } from './report.ts'
import type { RetryPolicy } from './retry.ts'
import { Settler } from './settler.ts'
import { placeOf, Work } from './work.ts'

export interface GroupRunOptions {
  readonly plan: GroupPlan
  readonly driver: Driver
  readonly clock: Clock
  readonly random: () => number
  readonly observer: Observer
  readonly dispatch: DispatchOptions
  readonly crashLimit: number
  readonly abortGraceMs: number
  /** A handler ran past its time-out and the grace after it. JavaScript cannot stop it. */
  readonly onStuck: (where: string, message: Message) => void
}

/** How this group does, for health checks. */
export interface GroupHealth {
  readonly group: string
  readonly state: SubscriptionState['kind'] | 'starting' | 'stopped'
  readonly running: number
  readonly stuck: number
  /** How long the oldest unsettled delivery has been here, while nothing was settled. */
  readonly waitingMs: number
}

const LOST_REMEMBERED = 10_000
const TICK_MS = 250
/** For what no handler took: it is skipped or hopeless, never retried. */
const NO_RETRY: RetryPolicy = { maxRetries: 0, delaysMs: [], jitter: 0 }

/** Runs one group in this process: deliveries -> lanes -> dispatch -> outcome -> settle. */
export class GroupRun {
  readonly #options: GroupRunOptions
  readonly #lanes: Lanes<Work>
  readonly #limit: Limit
  readonly #settler: Settler
  /** Everything handed to us and not settled. */
  readonly #ours = new Map<Delivery, Work>()
  readonly #running = new Set<Work>()
  /** By topic and id: hand-outs that ended by a loss this process lived through. They are no crashes. */
  readonly #livedThrough = new Map<string, number>()
  readonly #hold = new Hold()
  /** A driver in this process hands out on the heels of a publish: a handler must not inherit the publisher's transaction, scope or logger. */
  readonly #inOwnContext = AsyncLocalStorage.snapshot()
  readonly #subscribed = Promise.withResolvers<Subscription>()
  #subscription: Subscription | undefined
  #ended = false
  #state: GroupHealth['state'] = 'starting'
  #lastSettledAt = 0
  #cancelTick: (() => void) | undefined

  constructor(options: GroupRunOptions) {
    this.#options = options
    const { plan, clock } = options
    this.#lanes = new Lanes({
      concurrency: plan.concurrency,
      run: (work) => this.#run(work),
      after: (ms, fn) => clock.after(ms, fn),
      onHeld: () => this.#tellLimit(),
    })
    this.#limit = new Limit({ concurrency: plan.concurrency, maxUnsettled: plan.maxUnsettled, onLimit: () => this.#tellLimit() })
    this.#subscribed.promise.catch(() => undefined) // start rejects with it
    this.#settler = new Settler({
      subscription: () => this.#subscription ?? this.#subscribed.promise,
      clock,
      onSettled: (settlements) => {
        this.#lastSettledAt = clock.now()
        for (const { delivery } of settlements) {
          this.#ours.delete(delivery)
          if (this.#livedThrough.size > 0) this.#livedThrough.delete(placeOf(delivery.message))
        }
      },
      onTrouble: (error, count) =>
        options.observer.logger.error({ group: plan.group, err: error }, `${count} settlements of ${plan.group} could not be stored, trying again: ${error.message}`),
    })
  }

  async start(): Promise<void> {
    this.#hold.on()
    this.#lastSettledAt = this.#options.clock.now()
    const subscription = await this.#subscribe().catch((error: unknown) => {
      this.#subscribed.reject(error)
      throw error
    })
    // Closed while it subscribed: the connection goes with it.
    if (this.#ended) return subscription.stop().catch(() => undefined)
    this.#subscription = subscription
    this.#subscribed.resolve(subscription)
    // Deliveries may have come, and been handled, before subscribe resolved.
    this.#tellLimit()
    if (this.#state === 'starting') this.#changeState({ kind: 'consuming' })
    this.#tick()
  }

  #subscribe(): Promise<Subscription> {
    const { plan, driver } = this.#options
    return driver.subscribe({
      topics: [...plan.topics.keys()],
      group: plan.group,
      from: plan.from,
      exclusive: plan.exclusive,
      limit: this.#limit.current,
      onDeliveries: (deliveries) => this.#inOwnContext(() => this.#take(deliveries)),
      onLost: (deliveries) => this.#lose(deliveries),
      onState: (state) => this.#changeState(state),
    })
  }

  /** A key that waits for its retry holds its messages here without working on them: they must not keep other keys out. */
  #tellLimit(): void {
    this.#subscription?.limit(Math.min(this.#limit.current + this.#lanes.held, this.#options.plan.maxUnsettled))
  }

  health(): GroupHealth {
    let oldest = Number.POSITIVE_INFINITY
    for (const work of this.#ours.values()) oldest = Math.min(oldest, work.arrivedAt)
    const now = this.#options.clock.now()
    return {
      group: this.#options.plan.group,
      state: this.#state,
      running: this.#running.size,
      stuck: [...this.#running].filter((work) => work.stuck).length,
      waitingMs: this.#ours.size === 0 ? 0 : now - Math.max(oldest, this.#lastSettledAt),
    }
  }

  /** Fetching stops and nothing new starts. Resolves when what runs has finished. */
  async stop(): Promise<void> {
    this.#lanes.stop()
    await this.#stopFetching()
    await this.#lanes.idle()
  }

  async #stopFetching(): Promise<void> {
    try {
      await this.#subscription?.stop()
    } catch (thrown) {
      const { observer, plan } = this.#options
      observer.logger.warn({ group: plan.group, err: thrown }, `${plan.group} could not tell its broker to stop: closing the connection will`)
    }
  }

  /** Nothing new starts. Resolves when nothing runs but what cannot be stopped, and what was finished is settled. Never rejects. */
  async stopBesideStuck(): Promise<void> {
    this.#lanes.stop()
    await this.#stopFetching()
    while ([...this.#running].some((work) => !work.stuck)) await sleep(this.#options.clock, TICK_MS)
    await this.#settler.drain()
  }

  /** Tells what still runs to end now; it is handed back, without an attempt spent. */
  abort(): void {
    for (const work of this.#running) work.abort(new CorebusError('SHUTDOWN', 'the process is shutting down'))
  }

  /** Settles what is finished. What is not goes back to the broker when the driver closes, so what its handler did must not be committed. */
  async end(): Promise<void> {
    this.#ended = true
    this.#cancelTick?.()
    for (const work of this.#running) work.lost = true
    this.#subscribed.reject(new CorebusError('CLOSED', 'closed before the broker had answered the subscription'))
    await this.#settler.drain()
    this.#hold.end()
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#options.observer.state('stopped', { group: this.#options.plan.group })
  }

  #take(deliveries: readonly Delivery[]): void {
    const { plan, observer, clock, crashLimit } = this.#options
    const now = clock.now()
    const works: Work[] = []
    for (const delivery of deliveries) {
      const { message } = delivery
      const topic = plan.topics.get(message.topic)
      if (!topic) continue // a driver hands out only what was asked for
      observer.delivered(message, plan.group, delivery.unsettledBefore)
      const crashes = delivery.unsettledBefore === 0 ? 0 : delivery.unsettledBefore - (this.#livedThrough.get(placeOf(message)) ?? 0)
      const work = new Work(delivery, topic, { suspect: crashes > 0, now })
      this.#ours.set(delivery, work)
      if (crashes > 0) this.#limit.isolate()
      if (crashes >= crashLimit) this.#bury(work, crashes)
      else works.push(work)
    }
    this.#lanes.push(works)
  }

  #bury(work: Work, crashes: number): void {
    const error = new CorebusError('CRASH', `its handler ended the process ${crashes} times (crashLimit); it was handed out that often and never settled`)
    this.#settle(work, { verdict: { kind: 'hopeless', reason: 'crash', error }, event: undefined, plan: undefined })
  }

  #lose(deliveries: readonly Delivery[]): void {
    const lost = deliveries.map((delivery) => this.#ours.get(delivery)).filter((work) => work !== undefined)
    if (lost.length === 0) return
    for (const work of lost) {
      work.lost = true
      this.#ours.delete(work.delivery)
      work.abort(new CorebusError('LOST', 'the message was taken from this process: it is or will be handled elsewhere'))
      const place = placeOf(work.message)
      const before = this.#livedThrough.get(place) ?? 0
      this.#livedThrough.delete(place)
      this.#livedThrough.set(place, before + 1)
    }
    for (const place of this.#livedThrough.keys()) {
      if (this.#livedThrough.size <= LOST_REMEMBERED) break
      this.#livedThrough.delete(place)
    }
    this.#lanes.drop((work) => work.lost)
    this.#options.observer.lost(lost.length, this.#options.plan.group)
  }

  async #run(work: Work): Promise<Rest> {
    const { plan, clock } = this.#options
    if (work.lost) return undefined
    const startedAt = performance.now()
    work.runningSince = clock.now()
    this.#running.add(work)
    const dispatched = await dispatch(work, work.topic, this.#options.dispatch)
    this.#running.delete(work)
    const durationMs = performance.now() - startedAt
    reportHandling(this.#options.observer, plan.group, work, dispatched, durationMs)
    if (dispatched.verdict.kind === 'unsettled' || work.lost) return undefined
    const waits = this.#settle(work, dispatched, plan.ordering === 'key' && work.lane !== undefined)
    if (work.delivery.unsettledBefore === 0) this.#limit.settledFresh(durationMs)
    return waits
  }

  /** With `inLane` a retry is not settled: its key waits for it here. */
  #settle(work: Work, { verdict, event, plan: handler }: Dispatched, inLane = false): Rest {
    if (verdict.kind === 'unsettled') return undefined
    const { plan, clock, random, observer } = this.#options
    const keepsDeadLetters = work.topic.deadLetter !== false
    const policy = { retry: handler?.retry ?? NO_RETRY, delays: plan.delays, keepsDeadLetters, group: plan.group }
    const outcome = outcomeOf(work.delivery, work, verdict, policy, { now: clock.now(), random: random() })
    reportOutcome(observer, plan.group, work, outcome, event)
    if (inLane && (outcome.kind === 'retry' || outcome.kind === 'snooze')) {
      if (outcome.kind === 'retry') work.attempt++
      else work.snoozes++
      work.again()
      return { againAfterMs: outcome.afterMs }
    }
    this.#settler.settle(outcome.settlement)
    return undefined
  }

  /** One coarse clock for all time-outs: a timer a message would cost more than the rest of the runtime. */
  #tick(): void {
    const { plan, clock, abortGraceMs, onStuck } = this.#options
    const now = clock.now()
    for (const work of this.#running) {
      const ranMs = now - (work.runningSince ?? now)
      if (!work.timedOut && ranMs >= plan.handlerTimeoutMs) {
        work.timedOut = true
        work.abort(new CorebusError('HANDLER_TIMEOUT', `the handler has run for ${plan.handlerTimeoutMs} ms (handlerTimeoutMs)`))
      }
      if (work.timedOut && !work.stuck && ranMs >= plan.handlerTimeoutMs + abortGraceMs) {
        work.stuck = true
        onStuck(plan.group, work.message)
      }
    }
    this.#cancelTick = clock.after(Math.min(TICK_MS, Math.max(plan.handlerTimeoutMs / 5, 10)), () => this.#tick())
  }

  #changeState(state: SubscriptionState): void {
    if (this.#state === state.kind) return
    const { observer, plan } = this.#options
    const before = this.#state
    this.#state = state.kind
    const { group } = plan
    if (state.kind === 'consuming') {
      observer.state('consuming', { group })
      if (before === 'reconnecting') observer.logger.info({ group }, `${group} is consuming again`)
      return
    }
    observer.state(state.kind, { group, error: state.error })
    if (state.kind === 'reconnecting') observer.logger.warn({ group, err: state.error }, `${group} lost its broker, coming back by itself: ${state.error.message}`)
    else observer.logger.error({ group, err: state.error }, `${group} stopped consuming and cannot go on: ${state.error.message}`)
  }
}
