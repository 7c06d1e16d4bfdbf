/** A batch of this many gives a fresh median. */
const SAMPLES = 32
/** What is handed out should be worked off within this, or peers could have had it. */
const HOARD_MS = 1_000
/** A first message that takes longer keeps the others out no more. */
const ALONE_MS = 1_000

export interface LimitOptions {
  readonly concurrency: number
  readonly maxUnsettled: number
  /** Called with every new limit. */
  readonly onLimit: (deliveries: number) => void
  readonly after: (ms: number, fn: () => void) => () => void
}

/**
 * How many deliveries may be with us. One at first and after a crash, for a second or until it is settled, so that whatever kills a process is alone with its blame; then twice
 * the concurrency; then more while the handlers are fast: a fast one gets big batches, a slow one hoards nothing from its peers.
 */
export class Limit {
  readonly #options: LimitOptions
  readonly #samples: number[] = []
  #current = 1
  #cancel: (() => void) | undefined

  constructor(options: LimitOptions) {
    this.#options = options
  }

  get current(): number {
    return this.#current
  }

  /** A delivery came that somebody had before and did not settle. */
  isolate(): void {
    this.stop()
    this.#samples.length = 0
    this.#set(1)
  }

  /** A delivery came that nobody had before. Should its handler wait for somebody for a minute, the others must not. */
  arrived(): void {
    if (this.#current > 1 || this.#cancel) return
    this.#cancel = this.#options.after(ALONE_MS, () => {
      this.#cancel = undefined
      this.begin()
    })
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** Something was handled, and ended no process, whether it can be settled now or not: others need not wait for that. */
  begin(): void {
    const { concurrency, maxUnsettled } = this.#options
    if (this.#current === 1) this.#set(Math.min(2 * concurrency, maxUnsettled))
  }

  /** A delivery was settled that nobody had had before. */
  settledFresh(durationMs: number): void {
    const { concurrency, maxUnsettled } = this.#options
    this.begin()
    this.#samples.push(durationMs)
    if (this.#samples.length < SAMPLES) return
    const median = this.#samples.sort((a, b) => a - b)[SAMPLES / 2] as number
    this.#samples.length = 0
    const affordable = median > 0 ? Math.floor((HOARD_MS * concurrency) / median) : maxUnsettled
    const wanted = affordable > this.#current ? this.#current * 2 : affordable
    this.#set(Math.max(Math.min(wanted, affordable, maxUnsettled), Math.min(2 * concurrency, maxUnsettled), 1))
  }

  #set(deliveries: number): void {
    if (deliveries === this.#current) return
    this.#current = deliveries
    this.#options.onLimit(deliveries)
  }
}
