import { CorebusError } from '../errors.ts'
import { forbid } from './forbidden.ts'
import { inPart, NOT_CONFIGURED, noDb } from './in-session.ts'
import { type Outlet, type Recorded, type Scope, writeRecorded } from './scope.ts'
import type { Opens, SessionMode } from './session.ts'

export interface PartOptions {
  readonly scope: Scope
  /** Whose part it is, for messages to people. */
  readonly where: string
  readonly mode: SessionMode
  /** What the mode opens, where one is configured. */
  readonly opens: Opens | undefined
  /** What the part records is written into the outbox of this one, in the part's transaction. */
  readonly outlet: Outlet
  /** Asks the inbox in the part's transaction, before its work. */
  readonly askInbox?: (db: unknown) => Promise<void>
}

/** The one part of a handler or request that stands in a session, where `session: 'manual'` leaves it to them which. */
export class Part {
  readonly #options: PartOptions
  #used = false
  #opened: { readonly db: unknown } | undefined

  constructor(options: PartOptions) {
    this.#options = options
  }

  /** While the part is open. @throws CorebusError NO_SESSION */
  get db(): unknown {
    if (this.#opened) return this.#opened.db
    const { where, mode, opens } = this.#options
    throw noDb(
      mode === 'manual'
        ? `${where} says session: 'manual', so it is there in session(async (db) => ...) and nowhere else`
        : opens === undefined && mode !== false
          ? NOT_CONFIGURED
          : `${where} says session: ${JSON.stringify(mode)}`,
    )
  }

  /**
   * Runs `work` in the session. What was recorded meanwhile has happened with its commit, whatever becomes of the rest: `then` sees to it.
   * @throws CorebusError SESSION_TWICE for the second call and where a session is open already, NO_SESSION where there is none
   */
  async run<T>(work: (db: unknown) => Promise<T>, then: (recorded: readonly Recorded[]) => Promise<void>): Promise<T> {
    const { scope } = this.#options
    const opens = this.#mayOpen()
    this.#used = true
    const running = this.#run(opens, work, then)
    const over = running.then(
      () => undefined,
      () => undefined,
    )
    scope.parting = over
    void over.then(() => {
      scope.parting = undefined
    })
    try {
      return await running
    } catch (thrown) {
      // Told by what ended. Nobody waits for this any more, and a rejection that nobody handles would end the process.
      if (scope.ended && thrown instanceof EndedBefore) return new Promise<never>(() => {})
      throw thrown
    }
  }

  async #run<T>(opens: Opens, work: (db: unknown) => Promise<T>, then: (recorded: readonly Recorded[]) => Promise<void>): Promise<T> {
    const { scope, outlet, askInbox } = this.#options
    this.#mayCommit()
    try {
      const { result, recorded } = await inPart(scope, opens, async (db, ours) => {
        await askInbox?.(db)
        this.#opened = { db }
        const worked = await work(db)
        this.#mayCommit()
        await writeRecorded(scope, ours, outlet)
        return worked
      })
      await then(recorded)
      return result
    } finally {
      this.#opened = undefined
    }
  }

  #mayCommit(): void {
    const { scope } = this.#options
    if (scope.guard) forbid(scope.guard)
    if (scope.ended) throw endedBefore(this.#options.where)
  }

  #mayOpen(): Opens {
    const { scope, where, mode, opens } = this.#options
    if (mode === false || !opens)
      throw new CorebusError(
        'NO_SESSION',
        `${where} called session(), and ${mode === false ? 'says session: false' : 'no session is configured'}`,
      )
    if (mode !== 'manual')
      throw new CorebusError('SESSION_TWICE', `${where} called session(), and stands in one: use its db, or say session: 'manual'`)
    if (this.#used)
      throw new CorebusError('SESSION_TWICE', `${where} called session() twice: a retry of the second would repeat the first. Open one`)
    if (scope.over) throw new CorebusError('NO_SESSION', `${where} called session() after it had ended: wait for it inside`)
    return opens
  }
}

/** Nobody waited for the part: it is rolled back, and what it was part of fails. */
class EndedBefore extends CorebusError {
  constructor(where: string) {
    super('SESSION', `${where} ended while the session that it opened was still open: wait for session(work) before that`)
  }
}

export const endedBefore = (where: string): CorebusError => new EndedBefore(where)
