import type { Delivery, Message, Settlement } from '../../src/driver.ts'
import type { HandlerContext } from '../../src/handlers/handler.ts'
import { HEADER } from '../../src/wire/headers.ts'
import { type Copy, hasFailed, mayHaveWorked, type Run, told } from './copy.ts'
import { CRASH_LIMIT, MAX_RETRIES, RETRY_MS, type Setting } from './setting.ts'

/** A record of what has really happened, beside the runtime: each step is held against what is promised, and the first that breaks a promise is a fault. */
export class Ledger {
  readonly faults: string[] = []
  readonly copies: Copy[] = []
  readonly runs: Run[] = []
  /** The number of times that the effect of a message is there, by its id. */
  readonly effects = new Map<string, number>()
  /** The ids that were published of a run, by its number. */
  readonly published = new Map<number, string[]>()
  /** The id of what follows from a message. */
  readonly #follows = new Map<string, string>()
  /** Ids that sessions have recorded, and whether they have committed. */
  readonly blocks = new Map<string, { readonly state: 'open' | 'committed' | 'rolled back'; readonly mayBeLost: () => boolean }>()
  readonly #setting: Setting
  readonly #isMarked: (id: string) => boolean
  readonly now: () => number

  constructor({ setting, isMarked, now }: { setting: Setting; isMarked: (id: string) => boolean; now: () => number }) {
    this.#setting = setting
    this.#isMarked = isMarked
    this.now = now
  }

  fault(what: string): void {
    this.faults.push(what)
  }

  /** The broker has a message. Returns it with its number. */
  stored(message: Message): Message {
    const { id, key } = message
    const block = this.blocks.get(id)
    if (block !== undefined && block.state !== 'committed') this.fault(`${id} was published, and its session is ${block.state}`)
    const n = this.copies.length
    this.copies.push({ n, id, key, state: 'waiting', retries: 0, handOut: 0, holder: undefined, unsettled: 0, runs: [], uncalled: 0 })
    return { ...message, headers: { ...message.headers, copy: String(n) } }
  }

  copyOf({ headers }: Pick<Message, 'headers'>): Copy {
    return this.copies[Number(headers.copy)] as Copy
  }

  handedOut({ message }: Delivery, member: string): void {
    const copy = this.copyOf(message)
    copy.handOut++
    copy.uncalled = 0
    copy.holder = member
  }

  /** Who published was told that the broker has it. */
  confirmed(id: string): void {
    if (!this.copies.some((copy) => copy.id === id)) this.fault(`${id} was confirmed, and the broker does not have it`)
  }

  /** The handler is called, and its time passes since its session was there. */
  begins(
    { headers, attempt, signal }: Pick<HandlerContext, 'headers' | 'attempt' | 'signal'>,
    { member, since }: { member: string; since: number },
  ): Run {
    const copy = this.copyOf({ headers })
    const { handOut } = copy
    const what = this.#name(copy)
    if (copy.state !== 'waiting') this.fault(`${what} is handled after it was ${copy.state}`)
    if (copy.holder !== member) this.fault(`${what} is handled by ${member}, and was taken from it before`)
    const failures = copy.runs.filter((run) => run.handOut === handOut && hasFailed(run)).length
    const expected = 1 + copy.retries + failures
    if (attempt < expected || attempt > expected + copy.uncalled)
      this.fault(`${what} is handled as attempt ${attempt}, and it is its ${expected}`)
    if (copy.key !== undefined) this.#checkOrder(copy, what)
    const run: Run = {
      n: this.runs.length,
      copy,
      handOut,
      signal,
      beganAt: since,
      end: undefined,
      worked: false,
      committed: false,
      over: false,
    }
    this.runs.push(run)
    copy.runs.push(run)
    return run
  }

  #checkOrder(copy: Copy, what: string): void {
    const line = this.copies.filter(({ key, n }) => key === copy.key && n !== copy.n)
    const beside = line
      .concat(copy)
      .find((other) => other.runs.some((run) => !run.over && run.handOut === other.handOut && other.holder !== undefined))
    if (beside) this.fault(`${what} is handled beside ${this.#name(beside)} of the same key`)
    const inFront = line.find((other) => other.n < copy.n && !this.#isPast(other))
    if (inFront) this.fault(`${what} is handled before ${this.#name(inFront)} of the same key`)
  }

  /** Those behind it may be handled: it was handled itself, or in a group that keeps its order, to its end. */
  #isPast(copy: Copy): boolean {
    const { state, runs, retries, unsettled } = copy
    if (state !== 'waiting' || unsettled >= CRASH_LIMIT || this.#isMarked(copy.id)) return true
    if (this.#setting.ordering === 'none') return runs.length > 0 || retries > 0 || copy.uncalled > 0
    const here = runs.filter(hasFailed).filter((run) => run.handOut === copy.handOut)
    return runs.some((run) => this.#isOk(run) || run.end === 'rejected') || retries + here.length + copy.uncalled > MAX_RETRIES
  }

  #isOk(run: Run): boolean {
    return this.#setting.effects === 'plain' ? mayHaveWorked(run) : run.committed
  }

  /** The handler has ended. */
  ends(run: Run, by: 'worked' | 'failed' | 'rejected' | 'later'): void {
    run.worked = by === 'worked'
    const heard = told(run, this.now())
    // A handler that comes to its end in the time that a shutdown gives it has worked.
    run.end = run.worked && heard === 'handed back' ? by : (heard ?? by)
    if (this.#setting.effects !== 'plain') return
    run.over = true
    if (this.#isOk(run)) this.effect(run)
  }

  /** Its session was over before the handler was called. */
  isUncalled(n: number): void {
    const copy = this.copies[n]
    if (copy) copy.uncalled++
  }

  /** Its session has, a while later. */
  isOver(run: Run, committed: boolean): void {
    run.over = true
    run.committed = committed
    if (!committed) run.end = told(run, this.now()) ?? run.end
  }

  effect({ copy: { id } }: Run): void {
    this.effects.set(id, (this.effects.get(id) ?? 0) + 1)
  }

  /** The session of a run has committed. */
  commits(run: Run): void {
    const what = this.#name(run.copy)
    if (!mayHaveWorked(run)) this.fault(`the session of ${what} has committed, and its handler ${run.end ?? 'has not ended'}`)
    this.effect(run)
    const times = this.effects.get(run.copy.id) ?? 0
    if (this.#setting.effects === 'inbox' && times > 1) this.fault(`the effect of ${run.copy.id} is there ${times} times`)
  }

  /** Notes that what a run recorded is on the broker. */
  follows(n: number, id: string): void {
    const run = this.runs[n] as Run
    if (!this.#isOk(run))
      this.fault(
        `what ${this.#name(run.copy)} recorded is published, and it has not ${this.#setting.effects === 'plain' ? 'worked' : 'committed'}`,
      )
    const source = run.copy.id
    const before = this.#follows.get(source)
    if (before !== undefined && before !== id) this.fault(`what follows from ${source} is published as ${id}, and was as ${before}`)
    this.#follows.set(source, id)
    this.published.set(n, [...(this.published.get(n) ?? []), id])
  }

  /** The broker does what it is told of a delivery that is its member's still. */
  settles({ kind, delivery, ...more }: Settlement): void {
    const copy = this.copyOf(delivery.message)
    const what = this.#name(copy)
    const here = copy.runs.filter(({ handOut }) => handOut === copy.handOut)
    const headers = 'headers' in more ? more.headers : {}
    const attempt = Number(headers[HEADER.attempt])
    copy.holder = undefined
    copy.unsettled = 0
    switch (kind) {
      case 'ack':
        copy.state = 'acknowledged'
        this.#checkAcknowledged(copy, here, what)
        break
      case 'deadLetter':
        copy.state = 'dead'
        this.#checkDead(headers[HEADER.reason] ?? '', attempt, { copy, here, what, unsettled: delivery.unsettledBefore })
        break
      case 'retry':
        this.#checkRetried(copy, here, {
          what,
          attempt,
          isSnoozed: HEADER.snoozes in headers,
          afterMs: (more as { afterMs: number }).afterMs,
        })
    }
  }

  #checkRetried(
    copy: Copy,
    here: readonly Run[],
    { what, attempt, isSnoozed, afterMs }: { what: string; attempt: number; isSnoozed: boolean; afterMs: number },
  ): void {
    const certain = here.filter(hasFailed).length
    const perhaps = copy.uncalled + here.filter(({ end }) => end === 'perhaps late').length
    const failed = Math.max(certain, Math.min(certain + perhaps, attempt - 1 - copy.retries))
    const isLater = isSnoozed && here.some(({ end }) => end === 'later')
    if (!isLater && failed === 0) this.fault(`${what} is retried, and no call of it has failed`)
    if (afterMs !== RETRY_MS) this.fault(`${what} is retried after ${afterMs} ms`)
    copy.retries += failed
    if (attempt !== copy.retries + 1) this.fault(`${what} is retried as attempt ${attempt}, and it will be its ${copy.retries + 1}`)
    if (copy.retries > MAX_RETRIES) this.fault(`${what} is retried for the ${copy.retries}th time`)
  }

  #checkAcknowledged(copy: Copy, here: readonly Run[], what: string): void {
    const ok = here.find((run) => this.#isOk(run))
    if (!ok) {
      if (this.#setting.effects !== 'inbox' || !this.#isMarked(copy.id)) this.fault(`${what} is acknowledged without its effect`)
    } else if (this.#setting.effects !== 'inbox' && !this.published.has(ok.n))
      this.fault(`${what} is acknowledged before what it recorded is confirmed`)
  }

  #checkDead(
    reason: string,
    attempt: number,
    { copy, here, what, unsettled }: { copy: Copy; here: readonly Run[]; what: string; unsettled: number },
  ): void {
    const least = copy.retries + here.filter(hasFailed).length
    const most = least + copy.uncalled + here.filter(({ end }) => end === 'perhaps late').length
    const why = `${what} is dead after attempt ${attempt} (${reason})`
    if (reason === 'failed') {
      if (attempt !== MAX_RETRIES + 1 || attempt < least || attempt > most) this.fault(`${why}, and ${least} have failed`)
    } else if (reason === 'rejected') {
      const isRejected = here.some(({ end }) => end === 'rejected')
      if (!isRejected || attempt < least + 1 || attempt > most + 1) this.fault(`${why}, and nobody rejected it`)
    } else if (reason !== 'crash' || unsettled < CRASH_LIMIT) this.fault(`${why}, and it was handed out ${unsettled} times`)
  }

  /** Ids whose effect has to be there in the end, and is not, or what follows from it. */
  unfinished(): readonly string[] {
    const left: string[] = []
    for (const copy of this.copies) if (copy.state === 'waiting') left.push(`${this.#name(copy)} is still waiting`)
    for (const [id, copies] of Map.groupBy(this.copies, (copy) => copy.id)) {
      const isHandled = copies.some(({ state }) => state === 'acknowledged')
      if (isHandled && !this.effects.has(id)) left.push(`${id} is acknowledged, and its effect is not there`)
      if (this.effects.has(id) && this.#setting.effects === 'inbox' && !this.#follows.has(id))
        left.push(`what follows from ${id} was never published`)
    }
    for (const [id, { state, mayBeLost }] of this.blocks) {
      // A session's records are lost with its process where there is no outbox.
      const isKept = this.#setting.effects === 'inbox' || !mayBeLost()
      if (state === 'committed' && isKept && !this.copies.some((copy) => copy.id === id))
        left.push(`${id} was never published, and its session has committed`)
    }
    return left
  }

  #name({ id, n }: Copy): string {
    return `${id} (copy ${n})`
  }
}
