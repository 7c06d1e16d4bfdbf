import { hostname } from 'node:os'
import type { Logger } from 'pino'
import { monotonic, sleep } from '../clock.ts'
import type { Clock, Members as Notes } from '../driver.ts'
import { asError, CorebusError } from '../errors.ts'
import type { GroupPlan } from '../handlers/plan.ts'
import { newId } from '../wire/id.ts'
import { type Note, nameOf, REST, readNotes, takes, writeNote } from './member-note.ts'
import type { Minute } from './minute.ts'

export interface MembersOptions {
  readonly plan: GroupPlan
  readonly notes: Notes
  readonly service: string
  readonly version: string | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly minute: Minute
  readonly busy: () => number
}

const TOLD_EVERY_MS = 10_000
/** A member that has told nothing for so long is taken for dead. */
const KEPT_MS = 60_000
/** What nobody handles is decided by a list that began to be read at most so long ago. */
const FRESH_MS = 2_000
const READ_AGAIN_MS = 1_000
/** Who brings handlers that others do not have begins so long after having said so: by then nobody decides by a list without them. */
const HEEDED_MS = 2_500
/** While two services begin at once, each looks so often whether the other stays. */
const LOOK_AGAIN_MS = 100
const MOST_LOOKS = 50
const MOST_READINGS = 3
/** A message waits no longer than this for a list. */
const ASKED_WITHIN_MS = 2_000
const LEAVES_WITHIN_MS = 1_000

/** The other members of one group, as this process knows them: who they are, and what they handle that we do not. */
export class Members {
  readonly #options: MembersOptions
  readonly #closing = new AbortController()
  #ours: Note
  #others: readonly Note[] = []
  #readAt = Number.NEGATIVE_INFINITY
  #failedAt = Number.NEGATIVE_INFINITY
  #toldAt = Number.NEGATIVE_INFINITY
  /** As they were when last all was well, and until when they count beside those that are listed. */
  #steady: readonly Note[] = []
  #shakyUntil = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | undefined
  /** Whether the broker has told us of them at all. */
  #known = false
  /** It may not tell or look, now and later. */
  #refused = false
  #saidWhy = false
  #cancel: (() => void) | undefined

  constructor(options: MembersOptions) {
    this.#options = options
    const { service, version, clock, plan } = options
    this.#ours = {
      service,
      host: hostname(),
      pid: process.pid,
      member: newId(),
      since: clock.now(),
      state: 'joining',
      ...(version !== undefined && { version }),
      handles: handledBy(plan),
      minute: { handled: 0, failed: 0, dead: 0 },
      slots: plan.concurrency,
      busy: 0,
    }
  }

  /**
   * Before the first delivery. Where the members cannot know each other it is said, and nothing else.
   * @throws CorebusError GROUP_SHARED when members of another service are there and the group does not allow it; CLOSED when it left meanwhile
   */
  async join(): Promise<void> {
    const { clock, plan } = this.#options
    try {
      await this.#tell()
      await this.#read()
      if (!plan.shared) await this.#refuseOtherServices()
      if (this.#others.some((other) => !hasAllOf(other, this.#ours))) await sleep(clock, HEEDED_MS, this.#closing.signal)
      this.#ours = { ...this.#ours, state: 'joined' }
      if (!this.#closing.signal.aborted) await this.#tell()
    } catch (thrown) {
      if (thrown instanceof CorebusError && thrown.code === 'GROUP_SHARED') throw thrown
      this.#refused = isRefusal(thrown)
      this.#say(`group ${plan.group} starts without knowing its other members`, asError(thrown))
    }
    if (this.#closing.signal.aborted) throw new CorebusError('CLOSED', `group ${plan.group} was left while it was joined`)
    this.#cancel = clock.after(TOLD_EVERY_MS, () => this.#tellAgain())
  }

  /** So many were there beside us when we last looked; none where they cannot be known. */
  get others(): number {
    return this.#others.length
  }

  /** Whether another member takes what we have no handler for. At once while the list is fresh. */
  handles(topic: string, event: string | undefined): boolean | Promise<boolean> {
    // Where nobody can ever be asked each decides for itself; where the broker is in trouble, nobody does.
    if (!this.#known) return !this.#refused
    const ageMs = this.#ageMs()
    if (ageMs >= FRESH_MS) return this.#asked(topic, event)
    if (ageMs >= READ_AGAIN_MS) this.#read().catch(() => {}) // the next one waits for it, and hears of it
    return this.#isHandled(topic, event)
  }

  /** Where nobody knows in time it comes again, and is not lost. */
  async #asked(topic: string, event: string | undefined): Promise<boolean> {
    const { clock } = this.#options
    if (monotonic(clock) - this.#failedAt < READ_AGAIN_MS) return true
    const answered = new AbortController()
    const late = sleep(clock, ASKED_WITHIN_MS, AbortSignal.any([answered.signal, this.#closing.signal])).then(() => true)
    const asked = this.#freshly(() => this.#isHandled(topic, event))
    const isHandled = await Promise.race([asked, late])
    answered.abort()
    return isHandled
  }

  /** A reading that took long may be too old when it is there. */
  async #freshly(decide: () => boolean): Promise<boolean> {
    for (let n = 0; n < MOST_READINGS; n++) {
      try {
        await this.#read()
      } catch {
        return true
      }
      if (this.#ageMs() < FRESH_MS) return decide()
    }
    return true
  }

  #isHandled(topic: string, event: string | undefined): boolean {
    const takesIt = (other: Note) => takes(other, topic, event)
    return this.#others.some(takesIt) || (this.#isShaky() && this.#steady.some(takesIt))
  }

  /** After an outage some have not said anew who they are: who was there before it is believed to be there until they have had the time. */
  #isShaky(): boolean {
    return monotonic(this.#options.clock) < this.#shakyUntil
  }

  #ageMs(): number {
    return monotonic(this.#options.clock) - this.#readAt
  }

  /** It takes nothing any more. Never rejects. */
  async leave(): Promise<void> {
    this.#closing.abort()
    this.#cancel?.()
    const { notes, plan, clock } = this.#options
    const late = new AbortController()
    const left = notes.leave(plan.group, this.#ours.member).catch(() => {}) // it is forgotten by itself
    await Promise.race([left, sleep(clock, LEAVES_WITHIN_MS, late.signal)])
    late.abort()
  }

  async #refuseOtherServices(): Promise<void> {
    const { clock, plan } = this.#options
    for (let look = 0; look < MOST_LOOKS; look++) {
      const strangers = this.#others.filter(({ service }) => service !== this.#ours.service)
      const stays = strangers.find((other) => other.state === 'joined' || isBefore(other, this.#ours))
      if (stays) {
        await this.leave()
        throw groupShared(plan.group, this.#ours, stays)
      }
      if (strangers.length === 0 || this.#closing.signal.aborted) return
      await sleep(clock, LOOK_AGAIN_MS, this.#closing.signal)
      await this.#read()
    }
  }

  #tellAgain(): void {
    const { clock, plan, minute, busy } = this.#options
    if (this.#closing.signal.aborted) return
    this.#ours = { ...this.#ours, state: 'joined', minute: minute.turn(), busy: busy() }
    const again = () => {
      if (!this.#closing.signal.aborted) this.#cancel = clock.after(TOLD_EVERY_MS, () => this.#tellAgain())
    }
    this.#tell()
      .then(() => (this.#known ? undefined : this.#read()))
      .then(again, (thrown: unknown) => {
        if (monotonic(clock) - this.#toldAt > KEPT_MS)
          this.#say(`the other members of group ${plan.group} have not heard of this one for a minute`, asError(thrown))
        again()
      })
  }

  async #tell(): Promise<void> {
    const { notes, plan, clock } = this.#options
    await notes.tell(plan.group, this.#ours.member, writeNote(this.#ours), KEPT_MS)
    this.#toldAt = monotonic(clock)
    if (this.#known) this.#saidWhy = false
  }

  #read(): Promise<void> {
    this.#reading ??= this.#list().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #list(): Promise<void> {
    const { notes, plan, clock } = this.#options
    const beganAt = monotonic(clock)
    let found: readonly Note[]
    try {
      found = readNotes(await notes.list(plan.group))
    } catch (thrown) {
      this.#failedAt = monotonic(clock)
      throw thrown
    }
    const others = found.filter(({ member }) => member !== this.#ours.member)
    // A list without ourselves lacks others too: all notes ran out, in an outage or by a clock that was set.
    if (others.length === found.length && this.#known && !this.#closing.signal.aborted) {
      this.#shakyUntil = monotonic(clock) + TOLD_EVERY_MS + FRESH_MS
      this.#tell().catch(() => {}) // it is told again in a while
    }
    if (!this.#isShaky()) this.#steady = others
    this.#others = others
    this.#readAt = beganAt
    this.#known = true
  }

  #say(what: string, error: Error): void {
    if (this.#saidWhy || this.#closing.signal.aborted) return
    this.#saidWhy = true
    const { plan, logger } = this.#options
    logger.warn(
      { group: plan.group, err: error },
      `${what}: ${error.message}. What only some members of the group handle may be skipped by others`,
    )
  }
}

function handledBy({ topics }: GroupPlan): Note['handles'] {
  return Object.fromEntries([...topics].map(([topic, { events, rest }]) => [topic, rest ? [...events.keys(), REST] : [...events.keys()]]))
}

/** Whether the other member handles all that we handle of the topics that both read: of any other topic it decides nothing. */
function hasAllOf(other: Note, { handles }: Note): boolean {
  return Object.entries(handles).every(
    ([topic, names]) => !Object.hasOwn(other.handles, topic) || names.every((name) => takes(other, topic, name)),
  )
}

/** This user may not tell or look here, or nothing may be made for it: asking again cannot help. Any other error of a driver passes. */
const REFUSALS: ReadonlySet<string> = new Set(['ACCESS_REFUSED', 'REFUSED', 'TOPOLOGY'])

const isRefusal = (thrown: unknown): boolean => !(thrown instanceof CorebusError) || REFUSALS.has(thrown.code)

const isBefore = (a: Note, b: Note): boolean => a.since < b.since || (a.since === b.since && a.member < b.member)

function groupShared(group: string, ours: Note, other: Note): CorebusError {
  return new CorebusError(
    'GROUP_SHARED',
    `group ${group} of ${nameOf(ours)} has a member of another service, ${nameOf(other)}: each would take messages that are the other's. Give one of them a group of its own, or say shared: true. (Who was killed counts for a minute)`,
  )
}
