import { type Clock, Hold, sleep } from '../clock.ts'
import type { Delivery, Driver, Message, Subscription, SubscriptionState } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import type { GroupPlan, TopicPlan } from '../group.ts'
import type { Observer } from '../observe.ts'
import { type Call, type DispatchOptions, type Dispatched, dispatch } from './dispatch.ts'
import { type Job, Lanes, type Rest } from './lanes.ts'
import { Limit } from './limit.ts'
import { attemptOf, type Outcome, outcomeOf } from './outcome.ts'
import type { RetryPolicy } from './retry.ts'
import { Settler } from './settler.ts'

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

/** A delivery from its arrival to its settlement. */
class Work implements Job, Call {
  readonly delivery: Delivery
  readonly message: Message
  readonly topic: TopicPlan
  readonly lane: string | undefined
  readonly alone: boolean
  attempt: number
  startedAt = 0
  runningSince: number | undefined
  lost = false
  timedOut = false
  stuck = false
  #controller: AbortController | undefined
  #aborted: Error | undefined

  constructor(delivery: Delivery, topic: TopicPlan, suspect: boolean) {
    this.delivery = delivery
    this.message = delivery.message
    this.topic = topic
    this.lane = delivery.message.key === undefined ? undefined : `${topic.topic}\0${delivery.message.key}`
    this.alone = suspect
    this.attempt = attemptOf(delivery.message)
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#aborted) this.#controller.abort(this.#aborted)
    return this.#controller.signal
  }

  get aborted(): boolean {
    return this.#aborted !== undefined
  }

  abort(why: Error): void {
    this.#aborted ??= why
    this.#controller?.abort(why)
  }

  /** Its key waits here for the same message: a new call, with a new signal. */
  again(): void {
    this.timedOut = false
    this.stuck = false
    this.#controller = undefined
    this.#aborted = undefined
  }

  forbidden = (): 'timed out' | 'lost' | undefined => (this.lost ? 'lost' : this.timedOut ? 'timed out' : undefined)
}

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
  #subscription: Subscription | undefined
  #state: GroupHealth['state'] = 'starting'
  #lastSettledAt = 0
  #cancelTick: (() => void) | undefined

  constructor(options: GroupRunOptions) {
    this.#options = options
    const { plan, clock } = options
    this.#lanes = new Lanes({ concurrency: plan.concurrency, run: (work) => this.#run(work), after: (ms, fn) => clock.after(ms, fn) })
    this.#limit = new Limit({ concurrency: plan.concurrency, maxUnsettled: plan.maxUnsettled, onLimit: (n) => this.#subscription?.limit(n) })
    this.#settler = new Settler({
      subscription: () => this.#subscription,
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
    const { plan, driver, clock } = this.#options
    this.#hold.on()
    this.#lastSettledAt = clock.now()
    const subscription = await driver.subscribe({
      topics: [...plan.topics.keys()],
      group: plan.group,
      from: plan.from,
      exclusive: plan.exclusive,
      limit: this.#limit.current,
      onDeliveries: (deliveries) => this.#take(deliveries),
      onLost: (deliveries) => this.#lose(deliveries),
      onState: (state) => this.#changeState(state),
    })
    this.#subscription = subscription
    // Deliveries may have come, and been settled, before subscribe resolved.
    subscription.limit(this.#limit.current)
    if (this.#state === 'starting') this.#changeState({ kind: 'consuming' })
    this.#tick()
  }

  health(): GroupHealth {
    const oldest = Math.min(...[...this.#ours.values()].map((work) => work.startedAt))
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
    await this.#subscription?.stop()
    await this.#lanes.idle()
  }

  /** Nothing new starts. Resolves when nothing runs but what cannot be stopped, and what was finished is settled. Never rejects. */
  async stopBesideStuck(): Promise<void> {
    this.#lanes.stop()
    await this.#subscription?.stop().catch(() => undefined) // the process is about to end: its connection ends with it
    while ([...this.#running].some((work) => !work.stuck)) await sleep(this.#options.clock, TICK_MS)
    await this.#settler.drain()
  }

  /** Tells what still runs to end now; it is handed back, without an attempt spent. */
  abort(): void {
    for (const work of this.#running) work.abort(new CorebusError('SHUTDOWN', 'the process is shutting down'))
  }

  /** Settles what is finished. What is not goes back to the broker when the driver closes. */
  async end(): Promise<void> {
    this.#cancelTick?.()
    await this.#settler.drain()
    this.#hold.end()
    this.#state = 'stopped'
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
      const work = new Work(delivery, topic, crashes > 0)
      work.startedAt = now
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
    this.#tell(work, dispatched, durationMs)
    if (dispatched.verdict.kind === 'unsettled' || work.lost) return undefined
    const waits = this.#settle(work, dispatched, plan.ordering === 'key')
    if (waits === undefined && work.delivery.unsettledBefore === 0) this.#limit.settledFresh(durationMs)
    return waits
  }

  /** With `inLane` a retry is not settled: its key waits for it here. */
  #settle(work: Work, { verdict, event, plan: handler }: Dispatched, inLane = false): Rest {
    if (verdict.kind === 'unsettled') return undefined
    const { plan, clock, random } = this.#options
    const keepsDeadLetters = work.topic.deadLetter !== false
    const policy = { retry: handler?.retry ?? NO_RETRY, delays: plan.delays, keepsDeadLetters, group: plan.group }
    const outcome = outcomeOf(work.delivery, work.attempt, verdict, policy, { now: clock.now(), random: random() })
    this.#say(work, outcome, event)
    if (inLane && (outcome.kind === 'retry' || outcome.kind === 'snooze')) {
      if (outcome.kind === 'retry') work.attempt++
      work.again()
      return { againAfterMs: outcome.afterMs }
    }
    this.#settler.settle(outcome.settlement)
    return undefined
  }

  #tell(work: Work, { verdict, event }: Dispatched, durationMs: number): void {
    const told = { group: this.#options.plan.group, event, attempt: work.attempt, durationMs }
    const { observer } = this.#options
    if (work.lost || verdict.kind === 'unsettled') observer.handled(work.message, { ...told, outcome: work.lost ? 'lost' : 'handed back' })
    else if (verdict.kind === 'ok') observer.handled(work.message, { ...told, outcome: 'ok' })
    else if (verdict.kind === 'duplicate') observer.handled(work.message, { ...told, outcome: 'duplicate' })
    else if (verdict.kind === 'skipped') observer.skipped(work.message, { group: told.group, event, why: verdict.why })
    else observer.handled(work.message, { ...told, outcome: 'failed', error: verdict.error })
  }

  #say(work: Work, outcome: Outcome, event: string | undefined): void {
    const { observer, plan } = this.#options
    const told = { group: plan.group, event, attempt: work.attempt }
    switch (outcome.kind) {
      case 'ack':
        return observer.acked(work.message, told)
      case 'retry':
        return observer.retried(work.message, { ...told, afterMs: outcome.afterMs, of: outcome.of, error: outcome.error })
      case 'snooze':
        return observer.snoozed(work.message, { ...told, afterMs: outcome.afterMs })
      case 'deadLetter':
        return observer.deadLettered(work.message, { ...told, reason: outcome.reason, error: outcome.error })
      case 'drop':
        return observer.dropped(work.message, { ...told, reason: outcome.reason, error: outcome.error })
    }
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

function placeOf(message: Message): string {
  return `${message.topic}\0${message.id}`
}

