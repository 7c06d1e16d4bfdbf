import { real } from '../../clock.ts'
import type { DispatchOptions } from '../../consumer/dispatch.ts'
import type { Verdict } from '../../consumer/outcome.ts'
import type { Message } from '../../driver.ts'
import type { Database } from './database.ts'
import type { Rows } from './rows.ts'
import { inRun, Run } from './run.ts'
import { deliver, type Subject } from './subject.ts'
import { Told } from './told.ts'
import { Turns } from './turns.ts'

export interface StageOptions {
  readonly subject: Subject
  readonly dispatch: DispatchOptions
  readonly database: Database | undefined
  /** The rows that each history begins with. */
  readonly beginning: Rows | undefined
  readonly waits: Set<string>
  readonly patienceMs: number
  /** Rolls back what a dead process leaves behind in databases of its own. */
  readonly rollBack: () => void
}

/** The number of times that a message is delivered at most until it is handled: what fails once is retried. */
const ATTEMPTS = 3

/** The place where one history is played: messages are delivered to one handler, as its process would get them. */
export class Stage {
  readonly told: Told = new Told()
  /** Why the message was not handled in the end. */
  failed: string | undefined
  error: Error | undefined
  /** The inbox knew a message. */
  skipped = false
  readonly #runs: Run[] = []
  readonly #delivered = new Set<Message>()
  readonly #options: StageOptions

  constructor(options: StageOptions) {
    this.#options = options
  }

  /** The names of the calls of all runs, one run after the other. */
  get calls(): readonly string[] {
    return this.#runs.flatMap(({ calls }) => calls)
  }

  /** Delivers a message until it is handled. */
  async deliver(message: Message): Promise<void> {
    await this.#untilHandled(message)
  }

  /** Delivers a message to a process that dies after its call of this number. */
  async deliverAndDie(message: Message, dieAfter: number): Promise<void> {
    const { database, beginning } = this.#options
    let run = this.#run({ dieAfter })
    let verdict = await this.#handled(message, run, 1)
    // The attempts that it takes are numbered as one.
    for (let attempt = 2; verdict && errorOf(verdict) && attempt <= ATTEMPTS; attempt++) {
      run = this.#run({ dieAfter: dieAfter - this.calls.length })
      verdict = await this.#handled(message, run, attempt)
    }
    if (run.dead && database && beginning && !run.hasCommitted) await database.rewind(beginning)
  }

  /** Delivers messages to a process each, whose calls take turns. */
  async deliverAtOnce(messages: readonly Message[], seed: number): Promise<void> {
    const turns = new Turns(seed)
    await Promise.all(messages.map((message) => this.#untilHandled(message, turns)))
  }

  async #untilHandled(message: Message, turns?: Turns): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const verdict = await this.#handled(message, this.#run({ turns }), attempt)
      this.skipped ||= verdict?.kind === 'duplicate'
      const error = verdict ? errorOf(verdict) : new Error('it does not end')
      if (!error) return
      if (attempt < ATTEMPTS && verdict?.kind !== 'hopeless' && verdict) continue
      this.error ??= error
      this.failed ??= verdict ? `it fails: ${error.message}` : error.message
      return
    }
  }

  #run(options: { readonly dieAfter?: number; readonly turns?: Turns | undefined }): Run {
    const run = new Run({ ...options, told: this.told, waits: this.#options.waits })
    this.#runs.push(run)
    return run
  }

  /** Undefined for a run that is dead: it died, or did not end in time. */
  async #handled(message: Message, run: Run, attempt: number): Promise<Verdict | undefined> {
    const { subject, dispatch, patienceMs, rollBack } = this.#options
    const again = this.#delivered.has(message)
    this.#delivered.add(message)
    const dispatched = inRun(run, () => deliver(subject, dispatch, { message, attempt, again }))
    const stopWatching = whenItStands(run, patienceMs, () => run.kill('nothing more came of it'))
    const ended = await Promise.race([dispatched, run.death])
    stopWatching()
    if (!run.dead) return ended?.verdict
    await Promise.allSettled(run.sessions)
    rollBack()
    return undefined
  }
}

function errorOf(verdict: Verdict): Error | undefined {
  switch (verdict.kind) {
    case 'ok':
    case 'duplicate':
    case 'skipped':
      return undefined
    case 'failed':
    case 'hopeless':
    case 'later':
    case 'elsewhere':
      return verdict.error
    case 'unsettled':
      return new Error(verdict.why)
  }
}

/** Tells when the run has made no call, and got no answer to one, for so long. Returns what ends the watch. */
function whenItStands(run: Run, withinMs: number, stands: () => void): () => void {
  let seen = run.moves
  const look = (): void => {
    const hasMoved = run.moves !== seen
    seen = run.moves
    if (hasMoved) timer = real.setTimeout(look, withinMs)
    else stands()
  }
  let timer = real.setTimeout(look, withinMs)
  return () => real.clearTimeout(timer)
}
