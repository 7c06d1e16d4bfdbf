import { type Clock, monotonic, sleep } from '../../clock.ts'
import type { SubscribeOptions, Subscription, SubscriptionState } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import type { Member } from '../readers.ts'
import { stuckRetries } from '../stuck-retries.ts'
import type { Address } from './address.ts'
import type { BrokerTime } from './broker-time.ts'
import { connectAll } from './connect.ts'
import type { Copies } from './copies.ts'
import { Mover } from './delays.ts'
import { closed, expelled, notJoined, taken, waits } from './failure.ts'
import { decodeWish, type Share } from './group/assigner.ts'
import { Commits } from './group/commits.ts'
import { Fetcher } from './group/fetcher.ts'
import { Holdings } from './group/holdings.ts'
import type { Line } from './group/line.ts'
import { Membership } from './group/membership.ts'
import { Reader } from './group/reader.ts'
import { Metadata } from './metadata.ts'
import type { Names } from './names.ts'
import { Client } from './protocol/client.ts'
import { settle } from './settle.ts'
import type { Topology } from './topology.ts'
import { dueIn } from './wire.ts'

export interface SubscriptionContext {
  readonly address: Address
  readonly names: Names
  readonly clock: Clock
  readonly timeoutMs: number
  /** For questions and commits. */
  readonly asking: Client
  readonly topology: Topology
  readonly copies: Copies
  readonly time: BrokerTime
}

const SETTLES_WITHIN_MS = 5_000
const LOOK_EVERY_MS = 20
const LAST_COMMIT_WITHIN_MS = 1_500

/** @throws CorebusError GROUP_TAKEN, GROUP_DEAD, CONNECT */
export async function subscribe(options: SubscribeOptions, context: SubscriptionContext): Promise<Member> {
  const { topics, group, exclusive, onDeliveries, onLost } = options
  const { address, names, clock, timeoutMs, asking, topology, copies, time } = context
  const closing = new AbortController()
  const settling = new Set<Promise<void>>()
  let state: SubscriptionState['kind'] | 'new' = 'new'
  let trouble: Error | undefined
  let heard = { beat: false, answer: false }
  let share: Share | undefined
  let refused: Error | undefined
  let stopped = false
  let left: Promise<void> | undefined
  let ended: Promise<void> | undefined

  // Each for what the broker answers late: a join, and two kinds of fetches.
  const connection = () => new Client({ address, onLost: onTrouble })
  const [joining, polling, catchingUp] = [connection(), connection(), connection()] as const
  const metadata = new Metadata(asking, clock)
  const commits = new Commits({ client: asking, group: names.group(group), clock, identity: () => membership.identity })
  const reader = new Reader({
    ...{ limit: options.limit, clock, commits },
    isFresh: () => membership.isFresh,
    onDeliveries,
    onLost,
    onRoom: () => fetcher.wake(),
  })
  const mover = new Mover({
    clock,
    time,
    commits,
    isFresh: () => membership.isFresh,
    store: ({ origin, record }, copy) => copies.again(dueIn(record.headers, origin), group, copy),
    onStuck: stuckRetries({ group, clock, onNotice }),
    onMoved() {
      holdings.release()
      fetcher.wake()
    },
  })
  const holdings = new Holdings({
    topics,
    group,
    from: options.from,
    names,
    client: asking,
    clock,
    reader,
    commits,
    closing: closing.signal,
    make: (topic) => topology.make(topic),
    onChange() {
      fetcher.wake()
      reader.pump()
    },
    onReleased: () => (stopped && holdings.isEmpty ? void leave() : membership.rejoin()),
  })
  const membership = new Membership({
    client: joining,
    asking,
    metadata,
    clock,
    group: names.group(group),
    sessionMs: address.sessionMs,
    exclusive,
    topics: () => (stopped ? [] : [...topics.map(names.topic), ...topology.delaysOf(group).map((ms) => names.delay(group, ms))]),
    owned: () => holdings.owned(),
    onShare(given) {
      if (given.taken && !share && state !== 'new') onDead(taken(group)) // nobody waits in `settled` any more
      share = given
      holdings.take(given)
    },
    onExpelled,
    onTrouble,
    onBeat() {
      heard.beat = true
      back()
      reader.pump()
    },
    onDead,
  })
  const fetcher = new Fetcher<Line>({
    polling,
    catchingUp,
    metadata,
    clock,
    sources: () => reader.lines.filter((line) => reader.mayRead(line)),
    onFetched(line, { records, next }) {
      if (!line.gone) line.add(records, next)
    },
    onOutOfRange: ({ topic }) =>
      reset(topic, new CorebusError('OFFSET_GONE', `what ${group} was to read next of ${topic} is not there any more`)),
    async onGone(topic) {
      reset(topic, new CorebusError('TOPIC_GONE', `topic ${topic} is gone from the broker; it is made again where that is allowed`))
      await topology.make(topic).catch(() => {}) // asked for again by whoever reads it
    },
    onTrouble,
    onAnswer() {
      heard.answer = true
      back()
      for (const line of reader.lines) if (line.kind === 'delay' && line.waiting > 0) mover.take(line)
      reader.regulate()
      reader.pump()
    },
    onDead,
  })

  function reset(topic: string, error: Error): void {
    onTrouble(error)
    holdings.reload(topic)
  }

  function onTrouble(error: Error): void {
    trouble ??= error
    heard = { beat: false, answer: false }
    if (state !== 'consuming' || stopped) return
    state = 'reconnecting'
    // It is used now and then: found lost by itself after all is back, it would be a second outage.
    catchingUp.letGo()
    options.onState({ kind: 'reconnecting', error })
  }

  function onExpelled(): void {
    holdings.loseAll()
    const error = expelled(group)
    if (state === 'reconnecting' && !stopped) options.onState({ kind: 'reconnecting', error })
    onTrouble(error)
  }

  /** Coordinator and partitions are two brokers' business. Where nothing may be read now, there is no answer to wait for. */
  function back(): void {
    const reads = reader.lines.some((line) => reader.mayRead(line))
    if (!heard.beat || (reads && !heard.answer) || stopped || state === 'dead') return
    trouble = undefined
    if (state !== 'reconnecting') return
    state = 'consuming'
    options.onState({ kind: 'consuming' })
  }

  /** While it is away, what it is away for is told instead. */
  function onNotice(notice: Error): void {
    if (state === 'consuming' && !stopped) options.onState({ kind: 'consuming', notice })
  }

  function onDead(error: Error): void {
    refused ??= error
    if (state === 'dead' || stopped) return
    const before = state
    state = 'dead'
    if (before !== 'new') options.onState({ kind: 'dead', error })
  }

  /** Somebody else reads one of these topics in this group, and one of the two wants to be alone. */
  async function refuseIfTaken(): Promise<void> {
    const described = await asking.describe(names.group(group)).catch(() => undefined)
    const wanted = new Set(topics.map(names.topic))
    const others = described?.members.map(({ memberId, memberMetadata }) => decodeWish(memberId, memberMetadata)) ?? []
    if (others.some((one) => one?.topics.some((topic) => wanted.has(topic)))) throw taken(group)
  }

  /** Until everybody has given up what is ours, and it can be read. */
  async function settled(): Promise<void> {
    const deadline = monotonic(clock) + SETTLES_WITHIN_MS
    while (!closing.signal.aborted) {
      if (refused) throw refused
      if (share?.taken) throw taken(group)
      const late = monotonic(clock) > deadline
      if (share && holdings.isReady && !share.unfinished) return
      // Some wait for another member, or for a broker that is down: the others are read meanwhile.
      if (share && holdings.isPartlyReady && late) return
      if (!share && monotonic(clock) > deadline + timeoutMs + 2 * SETTLES_WITHIN_MS) {
        // Kept waiting by its group it waits on: a process that gave up and began anew would be one more dead member for which all wait.
        await asking.ping().catch(() => Promise.reject(notJoined(group, trouble)))
        if (!share) return
      }
      await sleep(clock, LOOK_EVERY_MS, closing.signal)
    }
    throw closed()
  }

  /** When nothing is held any more. */
  function leave(): Promise<void> {
    left ??= (async () => {
      fetcher.stop()
      mover.stop()
      await membership.leave()
      closing.abort()
      commits.close()
      // Nothing that is still out there is waited for: a poll, or the answer of a group that was left.
      await Promise.all([joining.close(0), polling.close(0), catchingUp.close(0)])
      await Promise.all([membership.ended(), fetcher.ended()])
    })()
    return left
  }

  async function stop(): Promise<void> {
    if (stopped) return
    stopped = true
    reader.stop()
    mover.stop()
    if (holdings.isEmpty) void leave()
    else holdings.take({ partitions: {}, unfinished: false, taken: false })
  }

  async function end(): Promise<void> {
    await stop()
    await Promise.race([Promise.all(settling), sleep(clock, LAST_COMMIT_WITHIN_MS)])
    for (const line of reader.lines) line.handBack()
    await Promise.race([commits.store(reader.lines), sleep(clock, LAST_COMMIT_WITHIN_MS)])
    for (const line of reader.lines) reader.remove(line)
    commits.forget()
    await leave()
  }

  async function settleAndRelease(settlements: Parameters<Subscription['settle']>[0]): Promise<void> {
    try {
      await settle(settlements, {
        group,
        copies,
        commits,
        ours: reader.again,
        isOurs: (line) => reader.has(line),
        onSettled: () => reader.settled(),
        onLost,
      })
    } finally {
      holdings.release()
    }
    // Whoever waits for the group may come as soon as the last message of a stopped member is settled.
    if (stopped && exclusive && reader.lines.every(({ out }) => out === 0)) await leave()
  }

  try {
    if (exclusive) await refuseIfTaken()
    await Promise.all([connectAll([joining, polling], { address, clock, timeoutMs, closing: closing.signal }), time.refresh()])
    membership.start()
    fetcher.start()
    await settled()
  } catch (thrown) {
    await end()
    throw thrown
  }
  state = share ? 'consuming' : 'reconnecting'
  options.onState(share ? { kind: 'consuming' } : { kind: 'reconnecting', error: waits(group) })
  for (const notice of time.off()) onNotice(notice)
  return {
    settle(settlements) {
      const work = settleAndRelease(settlements)
      const tracked: Promise<void> = work.catch(() => {}).finally(() => settling.delete(tracked))
      settling.add(tracked)
      return work
    },
    limit: (deliveries) => reader.limit(deliveries),
    stop,
    end() {
      ended ??= end()
      return ended
    },
  }
}
