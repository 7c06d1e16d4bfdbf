import { AsyncLocalStorage } from 'node:async_hooks'
import { types } from 'node:util'
import type { Told } from './told.ts'
import type { Turns } from './turns.ts'

/** Ends the code of a run that is dead, where that code does not wait: what it throws next, and after that, is this. */
export class Killed extends Error {
  constructor(after: string) {
    super(`survives() has killed this run of the handler after ${after}: it is not to go on`)
    this.name = 'Killed'
  }
}

/** Returns what a dead process still waits for: a promise that never settles. */
export const never = (): Promise<never> => new Promise(() => {})

export interface RunOptions {
  /** After which of its calls it dies, counted from 1. Undefined: it lives. */
  readonly dieAfter?: number | undefined
  /** The record of what it does. */
  readonly told: Told
  /** The names of calls that have been seen to wait. */
  readonly waits: Set<string>
  /** The turns of runs that go on at once, which say who goes on next. */
  readonly turns?: Turns | undefined
}

/** One handling of a message, as the code of the handler goes through it, until its end or its death. */
export class Run {
  /** The names of its calls, in the order they were made. The commit of a session is one. */
  readonly calls: string[] = []
  dead = false
  /** Counts its calls, made and answered: while it stands still, the run waits for something else. */
  moves = 0
  /** Settles when it dies. */
  readonly death: Promise<void>
  /** Its sessions that are open: they are rolled back when it dies. */
  readonly sessions: Set<Promise<unknown>> = new Set()
  /** One of its sessions has. */
  hasCommitted = false
  readonly #options: RunOptions
  readonly #die: () => void
  #diedAfter = ''

  constructor(options: RunOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<void>()
    this.death = promise
    this.#die = resolve
  }

  get told(): Told {
    return this.#options.told
  }

  /**
   * A call of the handler to the outside. When the run is to die after it, it has had its effect, and nothing comes back from it: a call that waits goes
   * on waiting, any other throws. No call of a dead run has an effect.
   */
  call<T>(name: string, perform: () => T, effect?: () => void): T {
    const { turns, waits } = this.#options
    if (this.dead) return waits.has(name) ? (never() as T) : this.refuse() // it has been seen to return a promise
    this.calls.push(name)
    this.moves++
    const at = this.calls.length
    if (turns && waits.has(name)) return turns.next().then(() => this.#perform({ name, at, effect }, perform)) as T // it has been seen to return a promise
    return this.#perform({ name, at, effect }, perform)
  }

  /** The commit of a session, which is a call too. */
  async committed(): Promise<void> {
    this.hasCommitted = true
    this.call('the commit', () => undefined)
    await this.#options.turns?.next()
  }

  /** @throws Killed */
  refuse(): never {
    throw new Killed(this.#diedAfter)
  }

  #perform<T>(call: Call, perform: () => T): T {
    const result = inside(this, perform)
    if (types.isPromise(result)) {
      this.#options.waits.add(call.name)
      return this.#waited(call, result) as T
    }
    call.effect?.()
    if (this.#diesAfter(call)) this.refuse()
    return result
  }

  async #waited<T>(call: Call, result: Promise<T>): Promise<T> {
    const answer = await Promise.allSettled([result])
    this.moves++
    if (answer[0].status === 'fulfilled') call.effect?.()
    if (this.#diesAfter(call)) return never()
    await this.#options.turns?.next()
    return this.dead ? never() : result
  }

  #diesAfter({ name, at }: Call): boolean {
    if (this.#options.dieAfter === at) this.kill(`its call ${at} (${name})`)
    return this.dead
  }

  kill(after: string): void {
    if (this.dead) return
    this.#diedAfter = after
    this.dead = true
    this.#die()
  }
}

interface Call {
  readonly name: string
  readonly at: number
  /** Tells what it did, once it did. */
  readonly effect: (() => void) | undefined
}

interface Within {
  readonly run: Run
  /** In a call to the outside already: what that calls in turn is its own business. */
  readonly inCall: boolean
}

const storage = new AsyncLocalStorage<Within>()

/** The run that the running code is part of; undefined outside of all, and in what a call to the outside does. */
export function currentRun(): Run | undefined {
  const within = storage.getStore()
  return within && !within.inCall ? within.run : undefined
}

export const inRun = <T>(run: Run, work: () => T): T => storage.run({ run, inCall: false }, work)
/** Runs what the runtime does for a run by itself: no call of the handler. */
export const inside = <T>(run: Run, work: () => T): T => storage.run({ run, inCall: true }, work)
