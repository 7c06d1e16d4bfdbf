import { Hold, monotonic, real, runtimeOf, sleep } from '../clock.ts'
import { Bag } from '../collections/bag.ts'
import { LinkedList } from '../collections/linked-list.ts'
import type { Delivery, Subscription, SubscriptionState } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { subscriptionOf } from '../handlers/plan.ts'
import { inFrameAsLoaded } from '../process/frame.ts'
import { Deadlines } from './deadlines.ts'
import { crashed, Decisions } from './decisions.ts'
import { type Dispatched, dispatch } from './dispatch.ts'
import type { GroupRunOptions, Handling } from './group-run-options.ts'
import { GroupState } from './group-state.ts'
import { type GroupHealth, healthOf } from './health.ts'
import { Lanes, type Rest } from './lanes.ts'
import { Limit } from './limit.ts'
import { Refusals } from './refusals.ts'
import { reportHandling, reportOutcome, reportStop, reportTrouble } from './report.ts'
import { Settler } from './settler.ts'
import { Suspects } from './suspects.ts'
import { Work } from './work.ts'

const TICK_MS = 250

/** Runs one group in this process: deliveries -> lanes -> dispatch -> outcome -> settle. */
export class GroupRun {
  readonly #options: GroupRunOptions
  readonly #lanes: Lanes<Work>
  readonly #limit: Limit
  readonly #settler: Settler<Work>
  /** Everything handed to us and not settled. */
  readonly #ours = new Bag<Work>()
  readonly #running = new LinkedList<Work>()
  readonly #suspects: Suspects
  readonly #decisions: Decisions
  readonly #refusals: Refusals
  readonly #hold: Hold
  readonly #deadlines: Deadlines
  readonly #state: GroupState
  readonly #subscribed = Promise.withResolvers<Subscription>()
  #subscription: Subscription | undefined
  #current: Work | undefined
  #ended = false
  #lastSettledAt = 0

  constructor(options: GroupRunOptions) {
    this.#options = options
    const { plan, clock, observer } = options
    this.#hold = new Hold(clock)
    this.#state = new GroupState(plan, observer)
    this.#suspects = new Suspects(options)
    this.#decisions = new Decisions(options)
    this.#refusals = new Refusals({ group: plan.group, decisions: this.#decisions, observer, onChange: () => this.#tellLimit() })
    this.#deadlines = new Deadlines({
      clock,
      running: this.#running,
      handlerTimeoutMs: plan.handlerTimeoutMs,
      abortGraceMs: options.abortGraceMs,
      onStuck: (work) => options.onStuck(plan.group, work.message),
    })
    this.#lanes = new Lanes({
      concurrency: plan.concurrency,
      run: (work) => this.#run(work),
      after: (ms, fn) => clock.after(ms, fn),
      onHeld: () => this.#tellLimit(),
    })
    this.#limit = new Limit({ ...plan, after: (ms, fn) => clock.after(ms, fn), onLimit: () => this.#tellLimit() })
    this.#subscribed.promise.catch(() => undefined) // start rejects with it
    this.#settler = new Settler({
      subscription: () => this.#subscription ?? this.#subscribed.promise,
      clock: runtimeOf(clock),
      onSettled: (works) => {
        this.#lastSettledAt = monotonic(clock)
        for (const work of works) this.#settled(work)
      },
      onRefused: (work, why) => this.#refusals.instead(work, why),
      onTrouble: (error, count, again) => {
        reportTrouble(options.observer, plan.group, { error, count, again })
        if ([...this.#ours].every(({ delivery }) => delivery.unsettledBefore === 0)) this.#limit.begin()
      },
    })
  }

  async start(): Promise<void> {
    this.#hold.on()
    this.#lastSettledAt = monotonic(this.#options.clock)
    await this.#options.members?.join()
    const subscription = await this.#subscribe().catch((error: unknown) => {
      this.#subscribed.reject(error)
      throw error
    })
    this.#subscription = subscription
    this.#subscribed.resolve(subscription)
    // Closed while it subscribed: what was handled by then is settled, and the connection goes with it.
    if (this.#ended) return subscription.stop().catch(() => undefined)
    // Deliveries may have come, and been handled, before subscribe resolved.
    this.#tellLimit()
    if (this.#state.current === 'starting') this.#changeState({ kind: 'consuming' })
  }

  #subscribe(): Promise<Subscription> {
    const { plan, driver } = this.#options
    return driver.subscribe({
      ...subscriptionOf(plan, driver.capabilities),
      limit: this.#limit.current,
      // A driver in this process hands out on the heels of a publish: nothing here may inherit the publisher's transaction, scope or logger.
      onDeliveries: (deliveries) => inFrameAsLoaded(() => this.#take(deliveries)),
      onLost: (deliveries) => inFrameAsLoaded(() => this.#lose(deliveries)),
      onState: (state) => inFrameAsLoaded(() => this.#changeState(state)),
    })
  }

  /** A key that waits for its retry holds its messages here without working on them, and what cannot be settled stays: neither may keep others out. */
  #tellLimit(): void {
    const beside = this.#lanes.held + this.#refusals.unstorable
    this.#subscription?.limit(Math.min(this.#limit.current + beside, this.#options.plan.maxUnsettled))
  }

  get handling(): Handling {
    return this.#options
  }

  health(): GroupHealth {
    const { clock, plan } = this.#options
    return healthOf([...this.#ours], {
      group: plan.group,
      state: this.#state.current,
      now: monotonic(clock),
      running: this.#running,
      current: this.#current,
      lastSettledAt: this.#lastSettledAt,
    })
  }

  /** Fetching stops and nothing new starts. Resolves when what runs has finished. */
  async stop(): Promise<void> {
    this.#lanes.stop()
    await this.#stopFetching()
    await this.#lanes.idle()
  }

  async #stopFetching(): Promise<void> {
    const { members, observer, plan } = this.#options
    const left = members?.leave()
    await this.#subscription?.stop().catch((error: unknown) => reportStop(observer, plan.group, error))
    await left
  }

  /** Nothing new starts. Resolves when nothing runs but what cannot be stopped, and what was finished is settled. Never rejects. */
  async stopBesideStuck(): Promise<void> {
    this.#lanes.stop()
    await this.#stopFetching()
    while ([...this.#running].some((work) => !work.stuck)) await sleep(runtimeOf(this.#options.clock), TICK_MS)
    await this.#settler.drain()
  }

  /** Tells what still runs to end now; it is handed back, without an attempt spent. */
  abort(): void {
    for (const work of this.#running) work.abort(new CorebusError('SHUTDOWN', 'the process is shutting down'))
  }

  /**
   * Settles what is finished, for as long as the broker lets it wait: whoever calls knows how long that may be. What is not finished goes back
   * to the broker when the driver closes, so what its handler did must not be committed.
   */
  async end(): Promise<void> {
    this.#ended = true
    this.#deadlines.stop()
    this.#limit.stop()
    for (const work of this.#running) work.lost = true
    this.#hold.end()
    await this.#settler.drain()
    this.#subscribed.reject(new CorebusError('CLOSED', 'closed before the broker had answered the subscription'))
    this.#state.stop()
  }

  /** What is not settled by now comes again. */
  giveUp(): void {
    this.#settler.giveUp()
  }

  #take(deliveries: readonly Delivery[]): void {
    const { plan, observer, clock } = this.#options
    const now = monotonic(clock)
    const works: Work[] = []
    for (const delivery of deliveries) {
      const { message } = delivery
      const topic = plan.topics.get(message.topic)
      if (!topic) continue // a driver hands out only what was asked for
      observer.delivered(message, plan.group, delivery.unsettledBefore)
      const { crashes, isGivenUp } = this.#suspects.judge(delivery)
      const work = new Work(delivery, topic, { suspect: crashes > 0, now, oneTopic: plan.topics.size === 1, loop: this.#deadlines })
      this.#ours.add(work)
      if (crashes > 0) this.#limit.isolate()
      else if (!this.#suspects.areHere) this.#limit.arrived()
      if (isGivenUp) this.#settle(work, { verdict: crashed(crashes), event: undefined, plan: undefined })
      else works.push(work)
    }
    this.#suspects.tell(works)
    this.#lanes.push(works)
  }

  #lose(deliveries: readonly Delivery[]): void {
    const taken = new Set(deliveries)
    const lost = [...this.#ours].filter(({ delivery }) => taken.has(delivery))
    if (lost.length === 0) return
    for (const work of lost) {
      work.lost = true
      this.#ours.remove(work)
      this.#suspects.remove(work.delivery)
      this.#refusals.over(work)
      work.abort(new CorebusError('LOST', 'the message was taken from this process: it is or will be handled elsewhere'))
      this.#suspects.losses.add(work.delivery.message)
    }
    this.#lanes.drop((work) => work.lost)
    this.#options.observer.lost(lost.length, this.#options.plan.group)
  }

  #run(work: Work): Rest | Promise<Rest> {
    if (work.lost) return undefined
    const startedAt = real.now()
    work.runningSince = monotonic(this.#options.clock)
    // Before the call: a handler may block from its first line.
    this.#deadlines.watch()
    // Each in a frame of its own: several may start one after another here, and none may see what another has entered.
    this.#current = work
    const dispatched = inFrameAsLoaded(dispatch, work, work.topic, this.#options.dispatch)
    this.#current = undefined
    if (!(dispatched instanceof Promise)) return this.#finish(work, dispatched, real.now() - startedAt)
    this.#running.add(work)
    return dispatched.then((ended) => {
      this.#running.remove(work)
      return this.#finish(work, ended, real.now() - startedAt)
    })
  }

  #finish(work: Work, dispatched: Dispatched, durationMs: number): Rest {
    const { plan, observer } = this.#options
    this.#suspects.remove(work.delivery)
    work.isCalled(dispatched.id)
    reportHandling(observer, plan.group, work, dispatched, durationMs)
    this.#options.minute.count(dispatched.verdict)
    if (dispatched.verdict.kind === 'unsettled' || work.lost) return undefined
    work.durationMs = durationMs
    return this.#settle(work, dispatched, plan.ordering === 'key' && work.lane !== undefined)
  }

  /** With `inLane` a retry is not settled: its key waits for it here. */
  #settle(work: Work, { verdict, event, plan: handler }: Dispatched, inLane = false): Rest {
    if (verdict.kind === 'unsettled') return undefined
    const { plan, observer } = this.#options
    const outcome = this.#decisions.on(work, verdict, handler)
    if (inLane && (outcome.kind === 'retry' || outcome.kind === 'snooze' || outcome.kind === 'passOn')) {
      reportOutcome(observer, plan.group, work, outcome, event)
      this.#survived(work)
      work.comesBack(outcome)
      work.again()
      return { againAfterMs: outcome.afterMs }
    }
    work.outcome = outcome
    work.event = event
    this.#settler.settle(work)
    return undefined
  }

  /** The broker has it: only now is it true that it was retried, or moved to the dead letters. */
  #settled(work: Work): void {
    if (work.lost) return // meanwhile, and not settled
    const { observer, plan } = this.#options
    this.#ours.remove(work)
    this.#refusals.over(work)
    this.#suspects.losses.forget(work.delivery.message)
    if (work.outcome) reportOutcome(observer, plan.group, work, work.outcome, work.event)
    if (work.outcome?.kind === 'deadLetter' || work.outcome?.kind === 'drop') this.#options.minute.dead++
    this.#survived(work)
  }

  #survived({ delivery, durationMs }: Work): void {
    if (delivery.unsettledBefore > 0) return
    // Whatever comes beside a suspect may be counted for it. Behind a key that waits for its retry one may be here for minutes, though.
    if (!this.#suspects.areHere || this.#lanes.held > 0) this.#limit.settledFresh(durationMs)
  }

  #changeState(state: SubscriptionState): void {
    if (!this.#ended && this.#state.change(state)) this.#suspects.losses.outage()
  }
}
