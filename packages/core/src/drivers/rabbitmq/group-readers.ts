import type { SubscribeOptions } from '../../driver.ts'
import type { HandedBack } from './handed-back.ts'
import type { MembershipContext } from './membership.ts'
import type { Address } from './names.ts'
import { Reader } from './reader.ts'
import type { OurSource } from './registry.ts'
import { Split } from './split.ts'
import { type DeclaredGroup, isBare } from './topology.ts'
import { unsettledBefore } from './wire.ts'

export interface GroupReadersOptions {
  readonly topic: string
  readonly source: OurSource | undefined
  readonly declared: DeclaredGroup | undefined
  readonly subscribed: SubscribeOptions
  readonly context: MembershipContext
  readonly handedBack: HandedBack | undefined
  /** Whether a queue of others counts how often it hands a message out: it says so in a header, which elsewhere is its author's. */
  readonly theyCount: () => boolean
  readonly onClosed: (error: Error) => void
}

export interface GroupReaders {
  /** Of a queue of others two, theirs first: the other is our own, where retries come back. */
  readonly readers: readonly Reader[]
  readonly split?: Split
}

/** What one member reads of one topic. */
export function groupReaders(options: GroupReadersOptions): GroupReaders {
  const { topic, source, declared, subscribed, context } = options
  const { limit } = subscribed
  if (!source || !('queue' in source)) return { readers: [own(limit, options)] }
  if (declared && isBare(declared)) return { readers: [theirs(source.queue, limit, options)] }
  const first = Split.first(limit)
  const [of, ours] = [theirs(source.queue, first.theirs, options), own(first.ours, options)]
  const { clock, declarer, names } = context
  const waits = async () => ((await declarer.count(names.work(topic, subscribed.group)))?.ready ?? 0) > 0
  return { readers: [of, ours], split: new Split({ clock, limit, theirs: of, ours, waits }) }
}

/** The group's own queue. */
function own(limit: number, options: GroupReadersOptions): Reader {
  const { topic, source, subscribed, context, handedBack } = options
  const { names, link } = context
  return new Reader({
    ...shared(limit, options),
    queue: names.work(topic, subscribed.group),
    home: source && 'queue' in source ? atQueue(source.queue) : names.home(topic),
    // An exchange of others may have any name in front of it. Copies come through the default exchange.
    isOriginal: ({ fields }) => (source ? fields.exchange !== '' : fields.exchange === names.topic(topic)),
    unsettledBefore(raw) {
      const counted = unsettledBefore(raw, link.counter)
      return handedBack?.less(raw, counted) ?? counted
    },
  })
}

/** A queue of others. */
function theirs(queue: string, limit: number, options: GroupReadersOptions): Reader {
  const { context, theyCount } = options
  return new Reader({
    ...shared(limit, options),
    queue,
    home: atQueue(queue),
    isOriginal: () => true,
    unsettledBefore: (raw) => (theyCount() ? unsettledBefore(raw, context.link.counter) : Number(raw.fields.redelivered)),
  })
}

/** The options that both kinds of queue are read with. */
function shared(limit: number, { topic, subscribed, context, onClosed }: GroupReadersOptions) {
  const { group, onDeliveries, onLost } = subscribed
  return { topic, group, limit, onDeliveries, onLost, onClosed, clock: context.clock }
}

/** What is published straight into a queue goes through the default exchange. */
const atQueue = (queue: string): Address => ({ exchange: '', routingKey: queue })
