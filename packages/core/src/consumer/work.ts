import type { Indexed } from '../collections/bag.ts'
import type { Linked } from '../collections/linked-list.ts'
import type { Delivery, Message, Settlement } from '../driver.ts'
import type { TopicPlan } from '../handlers/plan.ts'
import { forbid } from '../scope/forbidden.ts'
import type { Call } from './context.ts'
import type { Job } from './lanes.ts'
import { type Counts, countsOf, type Outcome } from './outcome.ts'
import type { Decided } from './settler.ts'

/** Who knows for how long the event loop stood still. */
export interface Loop {
  /** How long the loop stood still while this handler ran, in ms; 0 when it turned. */
  stoodStillFor(work: { readonly runningSince: number | undefined }): number
  readonly handlerTimeoutMs: number
  /** A handler has its session: those that wait for theirs wait in a line that moves. */
  moved(): void
}

/** The works whose handlers have begun and not ended. */
export interface Running extends Iterable<Work> {
  readonly size: number
}

/** A delivery from its arrival to its settlement. */
export class Work implements Job, Call, Counts, Linked, Indexed, Decided {
  readonly delivery: Delivery
  /** The message as logs name it: one without an id of its own has the id that its envelope has told meanwhile. */
  message: Message
  readonly topic: TopicPlan
  readonly lane: string | undefined
  readonly alone: boolean
  readonly arrivedAt: number
  attempt: number
  snoozes: number
  passedSince: number | undefined
  runningSince: number | undefined
  /** As far as its process ran meanwhile. */
  ranMs = 0
  durationMs = 0
  /** Decided, and on its way to the broker. */
  outcome: Outcome | undefined
  event: string | undefined
  /** Why the broker refuses to store what became of it, in its least form: it stays unsettled. */
  unstorable: Error | undefined
  lost = false
  timedOut = false
  /** How long its handler kept the event loop from turning, where that was longer than it may take. */
  blockedMs = 0
  stuck = false
  waiting = false
  previous: Linked | undefined = undefined
  next: Linked | undefined = undefined
  index = -1
  readonly #loop: Loop
  #controller: AbortController | undefined
  #aborted: Error | undefined

  constructor(
    delivery: Delivery,
    topic: TopicPlan,
    { suspect, now, oneTopic, loop }: { suspect: boolean; now: number; oneTopic: boolean; loop: Loop },
  ) {
    this.delivery = delivery
    this.message = delivery.message
    this.topic = topic
    this.lane = delivery.message.key === undefined ? undefined : oneTopic ? delivery.message.key : `${topic.topic}\0${delivery.message.key}`
    this.alone = suspect
    this.#loop = loop
    this.arrivedAt = now
    const { attempt, snoozes, passedSince } = countsOf(delivery)
    this.passedSince = passedSince
    this.attempt = attempt
    this.snoozes = snoozes
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#aborted) this.#controller.abort(this.#aborted)
    return this.#controller.signal
  }

  /** What the broker is to do with it. There is one when it is decided. */
  get settlement(): Settlement {
    return (this.outcome as Outcome).settlement
  }

  get aborted(): boolean {
    return this.#aborted !== undefined
  }

  isCalled(id: string | undefined): void {
    if (id !== undefined && this.message.id === '') this.message = { ...this.message, id }
  }

  abort(why: Error): void {
    this.#aborted ??= why
    this.#controller?.abort(why)
  }

  begins(): void {
    // A call that has timed out in its line does nothing for a session that rolls back.
    forbid(this)
    // A session may run its work again, and that is not its first turn.
    if (!this.waiting) return
    this.waiting = false
    this.ranMs = 0
    this.#loop.moved()
  }

  comesBack(outcome: Outcome): void {
    if (outcome.kind === 'passOn') {
      this.passedSince = outcome.since
      return
    }
    this.passedSince = undefined
    if (outcome.kind === 'retry') this.attempt++
    else this.snoozes++
  }

  /** Its key waits here for the same message: a new call, with a new signal. */
  again(): void {
    this.timedOut = false
    this.blockedMs = 0
    this.stuck = false
    this.waiting = false
    this.ranMs = 0
    this.#controller = undefined
    this.#aborted = undefined
  }

  forbidden(): 'timed out' | 'lost' | undefined {
    if (this.lost) return 'lost'
    if (!this.timedOut) {
      // No timer can tell a handler that its time is over while it blocks the event loop: it is seen when it comes to its end.
      const stoodStillMs = this.#loop.stoodStillFor(this)
      if (stoodStillMs >= this.#loop.handlerTimeoutMs) {
        this.timedOut = true
        this.blockedMs = stoodStillMs
      }
    }
    return this.timedOut ? 'timed out' : undefined
  }
}
