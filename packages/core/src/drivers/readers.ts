import { Hold } from '../clock.ts'
import type { Subscription } from '../driver.ts'

/** A subscription as its driver sees it. */
export interface Member extends Subscription {
  /** Stops, gives back what is not settled, and settles nothing from then on. */
  end(): Promise<void>
}

/** Watches a topic as nobody's member. */
export interface Tail {
  stop(): Promise<void>
}

/** All that reads on one driver. The process lives while one of them does, also during an outage. */
export class Readers {
  readonly #members = new Set<Member>()
  readonly #tails = new Set<Tail>()
  readonly #opening = new Set<Promise<unknown>>()
  readonly #alive = new Set<Member | Tail>()
  readonly #hold = new Hold()

  async subscription(opening: Promise<Member>): Promise<Subscription> {
    const member = await this.#open(opening, this.#members)
    return {
      settle: (settlements) => member.settle(settlements),
      limit: (deliveries) => member.limit(deliveries),
      stop: () => {
        this.#live(member, false)
        return member.stop()
      },
    }
  }

  async tail(opening: Promise<Tail>): Promise<Tail> {
    const tail = await this.#open(opening, this.#tails)
    return {
      stop: async () => {
        this.#live(tail, false)
        this.#tails.delete(tail)
        await tail.stop()
      },
    }
  }

  /** Resolves when nothing is being opened any more. */
  async opened(): Promise<void> {
    await Promise.allSettled(this.#opening)
  }

  async end(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.end()))
    await Promise.all([...this.#tails].map((tail) => tail.stop()))
  }

  /** Nothing of this keeps the process alive. */
  letGo(): void {
    this.#hold.end()
  }

  /** It is there before anybody who waits for what is being opened goes on. */
  async #open<One extends Member | Tail>(opening: Promise<One>, all: Set<One>): Promise<One> {
    const opened = opening.then((one) => {
      all.add(one)
      return one
    })
    this.#opening.add(opened)
    try {
      const one = await opened
      this.#live(one, true)
      return one
    } finally {
      this.#opening.delete(opened)
    }
  }

  #live(one: Member | Tail, on: boolean): void {
    if (on) this.#alive.add(one)
    else this.#alive.delete(one)
    if (this.#alive.size > 0) this.#hold.on()
    else this.#hold.off()
  }
}
