import type { Logger } from 'pino'
import type { MessagingOptions } from '../config/messaging-options.ts'
import { asError, CorebusError } from '../errors.ts'
import { wanted } from '../process/wanted.ts'
import type { Attached, Companion, CompanionHealth, Host } from '../scope/companion.ts'

/** The options that take a companion. */
const NAMES = ['outbox', 'inbox', 'schedules'] as const
type Name = (typeof NAMES)[number]

export type CompanionsHealth = { readonly [N in Name]?: CompanionHealth }

/** What was attached to an instance that is not closed. */
const inUse = new WeakSet<Companion>()

/** What works beside the handlers and requests of one instance. */
export class Companions {
  readonly #attached: (readonly [string, Attached])[]
  readonly #given: readonly Companion[]
  readonly #logger: Logger
  #begun = false
  #closed = false

  /** @throws CorebusError COMPANION for one that works for another instance already */
  constructor(options: MessagingOptions, host: Host) {
    this.#logger = host.logger
    const given = NAMES.flatMap((name): [Name, Companion][] => (options[name]?.attach ? [[name, options[name]]] : []))
    for (const [name, companion] of given)
      if (inUse.has(companion))
        throw new CorebusError('COMPANION', `the ${name} that was given works for another instance already: make one for each instance`)
    this.#attached = given.flatMap(([name, companion]): [Name, Attached][] => {
      const attached = companion.attach?.(host)
      return attached ? [[name, attached]] : []
    })
    this.#given = given.map(([, companion]) => companion)
    for (const companion of this.#given) inUse.add(companion)
  }

  /** Adds what is none of the options: a package has it at work for the instance. */
  add(name: string, attached: Attached): void {
    this.#attached.push([name, attached])
    if (this.#begun) attached.begin()
  }

  /** Begins what runs by itself. Safe to call again, which does nothing. */
  begin(): void {
    if (this.#begun || this.#closed) return
    this.#begun = true
    for (const [, attached] of this.#attached) attached.begin()
  }

  /** @throws CorebusError with everything that is wrong */
  async check(): Promise<void> {
    const results = await Promise.allSettled(this.#attached.map(([, attached]) => attached.check?.()))
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [asError(result.reason)] : []))
    const [first, ...others] = errors
    if (!first) return
    if (others.length === 0) throw first
    const code = first instanceof CorebusError ? first.code : 'COMPANION'
    throw new CorebusError(code, errors.map(({ message }) => message).join('; '), { cause: first })
  }

  /** Ends all of them within the time. One that fails at it is logged: the broker is disconnected all the same. */
  async close(withinMs: number): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.all(
      this.#attached.map(async ([name, attached]) => {
        try {
          await attached.close(withinMs)
        } catch (thrown) {
          this.#logger.error({ err: thrown }, `the ${name} could not be closed`)
        }
      }),
    )
    for (const companion of this.#given) inUse.delete(companion)
  }

  /** Whether a companion goes by a clock that is not the instance's, such as its database's. */
  get canCatchUp(): boolean {
    return this.#attached.some(([, attached]) => attached.catchUp !== undefined)
  }

  /** Runs everything that is due in the companions that have begun. Resolves with the ms until something is due again; undefined when nothing waits. */
  async catchUp(): Promise<number | undefined> {
    if (!this.#begun || this.#closed) return undefined
    let least: number | undefined
    // The outbox last: schedules write into it.
    for (const [, attached] of this.#attached.toReversed()) {
      const waitMs = await attached.catchUp?.()
      if (waitMs !== undefined) least = Math.min(waitMs, least ?? waitMs)
    }
    return least
  }

  health(): CompanionsHealth {
    return Object.fromEntries(this.#attached.flatMap(([name, attached]) => (attached.health ? [[name, attached.health()]] : [])))
  }
}

/** @throws CorebusError COMPANION naming what was registered for an option that the instance does not have: it would never run */
export function checkWanted(options: MessagingOptions): void {
  const mistakes = [...wanted()].flatMap(([option, all]) =>
    all.length === 0 || options[option as Name] !== undefined
      ? []
      : [`${all.map(({ where }) => where).join(', ')}: nothing runs it, because the option ${option} is not given. ${all[0]?.hint}`],
  )
  if (mistakes.length > 0) throw new CorebusError('COMPANION', mistakes.join('; '))
}
