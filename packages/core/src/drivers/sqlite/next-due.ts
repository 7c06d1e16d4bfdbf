import type { Outstanding } from './outstanding.ts'
import type { Seat } from './seat.ts'

/** When the next delayed message of a group falls due, and the timer for it. */
export class NextDue {
  readonly #seat: Seat
  readonly #outstanding: Pick<Outstanding, 'room'>
  readonly #onDue: () => void
  #at = Number.POSITIVE_INFINITY
  #cancel: (() => void) | undefined
  #stopped = false

  constructor(seat: Seat, outstanding: Pick<Outstanding, 'room'>, onDue: () => void) {
    this.#seat = seat
    this.#outstanding = outstanding
    this.#onDue = onDue
  }

  get isNow(): boolean {
    return this.#at <= this.#seat.clock.now()
  }

  /** As the file has it now. */
  read(): void {
    const { connection, group, topic } = this.#seat
    const found = connection.row('SELECT min(due_at) FROM due WHERE grp = ? AND topic_id = ? AND owner IS NULL', group, topic.id)?.[0]
    this.#set(typeof found === 'number' ? found : Number.POSITIVE_INFINITY)
  }

  /** There is one that falls due then. */
  by(at: number): void {
    if (at < this.#at) this.#set(at)
  }

  /** Nothing is waited for any more. */
  stop(): void {
    this.#stopped = true
    this.#cancelTimer()
  }

  #set(at: number): void {
    this.#cancelTimer()
    this.#at = at
    if (this.#stopped || at === Number.POSITIVE_INFINITY) return
    // Without room a settlement brings the next turn. With room, what fell due since it was looked for must not wait for another event.
    const { clock } = this.#seat
    const inMs = at - clock.now()
    if (inMs <= 0 && this.#outstanding.room <= 0) return
    this.#cancel = clock.after(Math.max(inMs, 1), () => {
      // Timers may fire a millisecond early, and the longest is shorter than a month.
      if (clock.now() < at) this.#set(at)
      else this.#onDue()
    })
  }

  #cancelTimer(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
