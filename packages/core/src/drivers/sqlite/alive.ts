const LONG_MS = 2_147_483_647

/**
 * Timers of the clock and watches do not keep a process alive. What somebody waits for, or has subscribed to, must.
 * Hold and let go as often as you like: every returned function counts once.
 */
export class Alive {
  #holders = 0
  #timer: NodeJS.Timeout | undefined

  hold(): () => void {
    this.#holders++
    this.#timer ??= setInterval(() => {}, LONG_MS)
    let held = true
    return () => {
      if (!held) return
      held = false
      if (--this.#holders === 0) this.end()
    }
  }

  end(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
