/** Waits that can be cut short. A signal that comes while nobody waits ends the next wait at once. */
export class Wake {
  #signalled = false
  #end: (() => void) | undefined

  signal(): void {
    this.#signalled = true
    this.#end?.()
  }

  get signalled(): boolean {
    return this.#signalled
  }

  /** Whoever looks now sees what was signalled before. */
  take(): void {
    this.#signalled = false
  }

  /** Resolves after `ms`, or with a signal. Keeps no process alive. */
  async wait(ms: number): Promise<void> {
    if (this.#signalled) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#end = resolve
    const timer = setTimeout(resolve, ms)
    timer.unref()
    await promise
    clearTimeout(timer)
    this.#end = undefined
  }

  /** The same, and with the first answer of `isOver` that is true, which is asked every so often. */
  async watch(ms: number, everyMs: number, isOver: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + ms
    for (let leftMs = ms; leftMs > 0 && !this.#signalled; leftMs = end - performance.now()) {
      await this.wait(Math.min(leftMs, everyMs))
      if (await isOver()) return
    }
  }
}
