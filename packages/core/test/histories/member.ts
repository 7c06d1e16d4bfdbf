import { pino } from 'pino'
import type { Broker } from '../../src/drivers/memory/broker.ts'
import { Reject, RetryLater } from '../../src/errors.ts'
import type { HandlerContext } from '../../src/handlers/handler.ts'
import { createMessaging, type Messaging } from '../../src/messaging.ts'
import { Link } from './broker.ts'
import type { Ledger } from './ledger.ts'
import { type Act, CRASH_LIMIT, HANDLER_TIMEOUT_MS, MAX_RETRIES, RETRY_MS, type Setting, SHUTDOWN_MS } from './setting.ts'
import type { Owner, Store, Tx } from './store.ts'
import type { HistoryClock, Turns } from './turns.ts'

const logger = pino({ level: 'silent' })
/** In a dead process everything waits for ever. */
const never = (): Promise<never> => new Promise(() => {})

export interface MemberOptions {
  readonly name: string
  readonly broker: Broker
  readonly setting: Setting
  readonly turns: Turns
  readonly clock: HistoryClock
  readonly ledger: Ledger
  readonly store: Store
}

interface Data {
  readonly acts: readonly Act[]
}

/** A process of the service, whole: an instance with its handler, its connection and its sessions. */
export class Member implements Owner {
  readonly name: string
  readonly #options: MemberOptions
  readonly #messaging: Messaging<{ db: Tx }>
  readonly #outbox: ReturnType<Store['outbox']>
  #link: Link | undefined
  #endsAt = Number.POSITIVE_INFINITY
  #state: 'up' | 'closing' | 'closed' | 'dead' = 'up'

  constructor(options: MemberOptions) {
    this.name = options.name
    this.#options = options
    const { setting, store, clock, broker, ledger } = options
    this.#outbox = store.outbox(this)
    const session = store.session(this)
    const companions = { plain: {}, session: { session }, inbox: { session, inbox: store.inbox(), outbox: this.#outbox } }
    this.#messaging = createMessaging<{ db: Tx }>({
      service: 'test',
      env: {},
      logger,
      clock: { holds: clock.holds, now: clock.now, after: (ms, fn) => clock.after(ms, () => this.#state !== 'dead' && fn()) },
      driver: (given) => {
        this.#link = new Link({ member: this, broker, clock, ledger }, given)
        return this.#link.driver
      },
      maxRetries: MAX_RETRIES,
      retryDelayMs: RETRY_MS,
      handlerTimeoutMs: HANDLER_TIMEOUT_MS,
      crashLimit: CRASH_LIMIT,
      concurrency: setting.concurrency,
      shutdownMs: SHUTDOWN_MS,
      // A handler that waits for its turn is not stuck.
      abortGraceMs: 3_600_000,
      publish: { timeoutMs: 3_600_000 },
      ...companions[setting.effects],
    })
    this.#messaging.on('thing', { topic: 'in', group: 'g', ordering: setting.ordering }, (event, context) =>
      this.#handle(event.data as Data, context),
    )
  }

  async start(): Promise<void> {
    await this.#messaging.start()
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  get isOver(): boolean {
    return this.#state === 'closed' || this.#state === 'dead'
  }

  async turn(what: string): Promise<void> {
    await this.#options.turns.schedule(Promise.resolve(), `${this.name} ${what}`)
    if (this.#state === 'dead') await never()
  }

  publish(id: string, key: string | undefined, data: Data): void {
    const { ledger } = this.#options
    this.#messaging.publishEvent('thing', data, { topic: 'in', id, ...(key !== undefined && { key }) }).then(
      () => ledger.confirmed(id),
      // It is closing: who publishes is told.
      () => undefined,
    )
  }

  /** Publishes in a session, which ends as it is told. */
  block(id: string, key: string | undefined, { data, commits }: { data: Data; commits: boolean }): void {
    const { ledger, clock } = this.#options
    let endedAt = Number.POSITIVE_INFINITY
    // Whoever stops a process and does not wait for its sessions is told that what they record from then on is not published.
    const mayBeLost = (): boolean => this.#state === 'dead' || endedAt >= this.#endsAt
    ledger.blocks.set(id, { state: 'open', mayBeLost })
    const work = async (tx: Tx): Promise<void> => {
      tx.onEnd = (committed) => ledger.blocks.set(id, { state: committed ? 'committed' : 'rolled back', mayBeLost })
      this.#messaging.emit('thing', data, { topic: 'in', id, ...(key !== undefined && { key }) })
      await this.turn('is in a session')
      if (!commits) throw new Error('no')
    }
    this.#messaging.session(work).then(
      () => {
        endedAt = clock.now()
      },
      () => undefined,
    )
  }

  relay(): void {
    if (this.#state === 'up') this.#outbox.relay()
  }

  loseConnection(): void {
    this.#link?.lose()
  }

  stop(): void {
    this.#state = 'closing'
    this.#endsAt = this.#options.clock.now() + SHUTDOWN_MS
    void this.#messaging.close().then(() => {
      if (this.#state === 'closing') this.#state = 'closed'
    })
  }

  die(): void {
    this.#state = 'dead'
    this.#link?.die()
    this.#options.store.abandon(this.name)
  }

  async #handle({ acts }: Data, context: HandlerContext<Tx>): Promise<void> {
    const { ledger, setting } = this.#options
    if (this.isOver) ledger.fault(`${this.name} is ${this.#state} and handles ${context.id}`)
    const since = setting.effects === 'plain' ? ledger.now() : context.db.since
    const run = ledger.begins(context, { member: this.name, since })
    if (setting.effects !== 'plain') context.db.run = run
    const act = actOf(acts, context.attempt, run.copy.runs.length)
    context.emit('done', {}, { topic: 'out', headers: { run: String(run.n) } })
    await this.turn(`handles ${run.copy.id}`)
    if (act === 'hangs' || act === 'obeys') await aborted(context.signal)
    if (act === 'kills') {
      this.die()
      await never()
    }
    ledger.ends(run, ENDS[act] ?? 'worked')
    if (act === 'fails') throw new Error('it fails')
    if (act === 'rejects') throw new Reject('it is rejected')
    if (act === 'comes later') throw new RetryLater(RETRY_MS)
    if (act === 'obeys') throw context.signal.reason
  }
}

const ENDS: Partial<Record<Act, 'failed' | 'rejected' | 'later'>> = {
  fails: 'failed',
  rejects: 'rejected',
  'comes later': 'later',
  obeys: 'failed',
}

/** One that comes later does so once: it would go on for ever. */
function actOf(acts: readonly Act[], attempt: number, calls: number): Act {
  const act = acts[attempt - 1] ?? 'works'
  return act === 'comes later' && calls > 1 ? 'works' : act
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
