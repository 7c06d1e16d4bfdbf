import { type Clock, monotonic, sleep } from '../../../clock.ts'
import { asError, type CorebusError } from '../../../errors.ts'
import { backOff } from '../../back-off.ts'
import { groupDead } from '../../others.ts'
import { type Failure, failureOf, forbidden, heldByOthers, inWords, isCoordinatorGone, isForbidden, isPermanent } from '../failure.ts'
import type { Metadata } from '../metadata.ts'
import type { Client, Joined } from '../protocol/client.ts'
import { assign, decodeShare, decodeWish, encodeShare, encodeWish, PROTOCOL, type Share, type Wish } from './assigner.ts'
import type { Holdings } from './holdings.ts'
import type { Standing } from './standing.ts'
import type { MemberStates } from './states.ts'

export interface MembershipOptions {
  /** Nothing else may be asked on its connection: while others are waited for, the broker answers nothing there. */
  readonly client: Pick<Client, 'join' | 'sync' | 'heartbeat' | 'letGo'>
  /** Another connection: a member leaves the group on it, and asks there whether the answer to its join is still to come. */
  readonly asking: Pick<Client, 'heartbeat' | 'leave' | 'ping'>
  readonly metadata: Metadata
  readonly clock: Clock
  readonly group: string
  /** After so long without a word the group gives it up. */
  readonly sessionMs: number
  readonly exclusive: boolean
  readonly topics: () => readonly string[]
  /** What this member has and has not given up. */
  readonly holdings: Pick<Holdings, 'owned'>
  /** Told of everything that the group answers. */
  readonly standing: Standing
  /** Told of what keeps it from being a member, for now or for good. */
  readonly states: Pick<MemberStates, 'trouble' | 'dead' | 'forbidden'>
  readonly onShare: (share: Share) => void
  /** The group went on without this member: nothing is its own any more. */
  readonly onExpelled: () => void
  readonly onBeat: () => void
}

const BEAT_EVERY_MS = 500
/** While another round is to come: its beginning is said in the answer to a heartbeat. */
const BEAT_UNFINISHED_MS = 50
/** So long the others wait for a member that does not come. */
const REBALANCE_MS = 30_000
const LOOK_EVERY_MS = 10_000
const LEAVE_WITHIN_MS = 1_500
const DOUBT_EVERY_MS = 1_000
const OK = 'OK'

/** One member of a consumer group: joins, keeps itself known by heartbeats of its own, and joins again when anything changes. */
export class Membership {
  readonly #options: MembershipOptions
  readonly #since: number
  readonly #ending = new AbortController()
  #again = new AbortController()
  #leads = false
  #unfinished = false
  /** Of the leader: the topics of all members, and how many partitions they had. */
  #wanted: ReadonlySet<string> = new Set()
  #counts: ReadonlyMap<string, number> = new Map()
  #running: Promise<void> | undefined

  constructor(options: MembershipOptions) {
    this.#options = options
    this.#since = options.clock.now()
  }

  start(): void {
    this.#running = this.#run()
  }

  /** What it wants or owns has changed. */
  rejoin(): void {
    this.#again.abort()
  }

  async leave(): Promise<void> {
    if (this.#ending.signal.aborted) return
    this.#ending.abort()
    const { asking, group, clock, standing } = this.#options
    const { memberId } = standing.identity
    if (memberId === '') return
    // Without a broker the group finds out by itself.
    await Promise.race([asking.leave(group, memberId).catch(() => {}), sleep(clock, LEAVE_WITHIN_MS)])
  }

  /** After the client is closed. */
  async ended(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, standing, states, onExpelled } = this.#options
    const waitMs = backOff({ maxMs: 1_000 })
    for (let n = 1; !this.#ending.signal.aborted; ) {
      try {
        this.#again = new AbortController()
        await this.#join()
        n = 1
        await this.#beat()
      } catch (thrown) {
        if (this.#ending.signal.aborted) return
        const failure = failureOf(thrown)
        switch (failure.type) {
          case 'REBALANCE_IN_PROGRESS':
            continue
          case 'UNKNOWN_MEMBER_ID':
          case 'ILLEGAL_GENERATION':
            if (failure.type === 'UNKNOWN_MEMBER_ID') standing.loseName()
            onExpelled()
            continue
          default:
            if (isDead(failure)) {
              states.dead(dead(this.#options, failure))
              return
            }
            states.trouble(asError(failure.error))
            await sleep(clock, waitMs(n++), this.#ending.signal)
        }
      }
    }
  }

  async #join(): Promise<void> {
    const { client, clock, group, sessionMs, exclusive, topics, holdings, standing, onShare, onBeat } = this.#options
    const metadata = encodeWish({ topics: topics(), owned: holdings.owned(), exclusive, since: this.#since })
    const joining = client.join(group, {
      memberId: standing.identity.memberId,
      sessionTimeout: sessionMs,
      rebalanceTimeout: REBALANCE_MS,
      groupProtocols: [{ name: PROTOCOL, metadata }],
    })
    const joined = await this.#answer(joining, 'REBALANCE_IN_PROGRESS')
    const { memberId, generationId, leaderId } = joined
    standing.beginRound(joined)
    this.#leads = leaderId === memberId
    const groupAssignment = this.#leads ? await this.#assign(joined) : []
    const sentAt = monotonic(clock)
    const syncing = client.sync(group, { memberId, generationId, groupAssignment })
    const assignment = await this.#answer(syncing, OK)
    standing.finishRound()
    standing.heard(sentAt)
    if (this.#ending.signal.aborted) return
    const share = decodeShare(assignment)
    this.#unfinished = share.unfinished
    onBeat()
    onShare(share)
  }

  async #answer<T>(asked: Promise<T>, meanwhile: string): Promise<T> {
    const answered = new AbortController()
    void this.#doubt(meanwhile, answered.signal) // never rejects
    return asked.finally(() => answered.abort())
  }

  /**
   * Others may be waited for longer than a connection that is gone without a word would be noticed, so the broker is asked elsewhere what it
   * says to a heartbeat `meanwhile`. Anything else, twice: the answer is lost, or it never had the question.
   */
  async #doubt(meanwhile: string, answered: AbortSignal): Promise<void> {
    const { client, asking, clock, group, standing, onBeat } = this.#options
    const { memberId, groupGenerationId, keptGenerationId } = standing.identity
    const over = AbortSignal.any([answered, this.#ending.signal])
    let generation = groupGenerationId
    for (let odd = 0; odd < 2; ) {
      await sleep(clock, DOUBT_EVERY_MS, over)
      if (over.aborted) return
      const sentAt = monotonic(clock)
      // Who it is, a member is told in the answer to its first join.
      const asked = memberId === '' ? asking.ping() : asking.heartbeat(group, { memberId, groupGenerationId: generation })
      const failure = await asked.then(() => undefined, failureOf)
      const said = failure?.type ?? OK
      if (said === OK && memberId === '') continue
      if (said === meanwhile) {
        odd = 0
        // Until the others have come, what it has stays its own.
        if (!over.aborted) standing.heard(sentAt)
        if (!over.aborted) onBeat()
      } else if (said === '') odd = 2
      else if (!failure || !isCoordinatorGone(failure)) odd++
      if (said === 'ILLEGAL_GENERATION') generation = generation === groupGenerationId ? keptGenerationId : groupGenerationId
    }
    if (!over.aborted) client.letGo()
  }

  async #assign({ members }: Joined): Promise<readonly { memberId: string; memberAssignment: Buffer }[]> {
    const wishes = members
      .map(({ memberId, memberMetadata }) => decodeWish(memberId, memberMetadata))
      .filter((one): one is Wish => one !== undefined)
    this.#wanted = new Set(wishes.flatMap(({ topics }) => topics))
    this.#counts = await this.#count(this.#wanted)
    const shares = assign(wishes, (topic) => this.#counts.get(topic) ?? 0)
    return [...shares].map(([memberId, share]) => ({ memberId, memberAssignment: encodeShare(share) }))
  }

  /** A topic that is gone has no partitions, and keeps nobody from the others. */
  async #count(topics: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>()
    for (const topic of topics) {
      try {
        counts.set(topic, (await this.#options.metadata.leaders(topic)).length)
      } catch (thrown) {
        const failure = failureOf(thrown)
        if (failure.type === '') throw thrown
        // A forbidden topic counts as one without partitions, and is said.
        if (isForbidden(failure)) this.#options.states.forbidden(forbidden(`topic ${topic}, and nobody of the group reads it`, failure))
      }
    }
    return counts
  }

  /** Until there is a reason to join again. */
  async #beat(): Promise<void> {
    const { client, clock, group, standing, states, onBeat } = this.#options
    const signal = AbortSignal.any([this.#ending.signal, this.#again.signal])
    let lookedAt = monotonic(clock)
    for (;;) {
      await sleep(clock, this.#unfinished ? BEAT_UNFINISHED_MS : BEAT_EVERY_MS, signal)
      if (signal.aborted) return
      const sentAt = monotonic(clock)
      try {
        await client.heartbeat(group, standing.identity)
        standing.heard(sentAt)
        onBeat()
      } catch (thrown) {
        const failure = failureOf(thrown)
        if (!isCoordinatorGone(failure) || isPermanent(failure)) throw thrown
        states.trouble(asError(failure.error))
      }
      if (!this.#leads || monotonic(clock) - lookedAt < LOOK_EVERY_MS) continue
      lookedAt = monotonic(clock)
      if (await this.#hasGrown()) return
    }
  }

  async #hasGrown(): Promise<boolean> {
    for (const topic of this.#wanted) this.#options.metadata.forget(topic)
    try {
      const now = await this.#count(this.#wanted)
      return [...now].some(([topic, count]) => count !== this.#counts.get(topic))
    } catch {
      return false // asked again next time
    }
  }
}

function isDead(failure: Failure): boolean {
  return isPermanent(failure) || failure.type === 'INCONSISTENT_GROUP_PROTOCOL' || failure.type === 'INVALID_SESSION_TIMEOUT'
}

function dead({ group, sessionMs }: MembershipOptions, failure: Failure): CorebusError {
  const options = { cause: failure.error }
  if (failure.type === 'INCONSISTENT_GROUP_PROTOCOL') return heldByOthers(group, 'they assign partitions in a way of their own', options)
  const why =
    failure.type === 'INVALID_SESSION_TIMEOUT'
      ? `the broker does not allow a session of ${sessionMs} ms: give client: { sessionTimeout } that lies between its group.min and group.max.session.timeout.ms`
      : inWords(failure)
  return groupDead(group, why, options)
}
