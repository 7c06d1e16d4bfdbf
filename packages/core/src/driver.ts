import type { Admin } from './contract/admin.ts'
import type { LetterTarget, LetterTargetKind, Raw, Source, SourceKind, Target } from './contract/foreign.ts'
import type { Delivery, Message, Settlement } from './contract/message.ts'

export type * from './contract/admin.ts'
export type * from './contract/foreign.ts'
export type * from './contract/message.ts'

/** One declared retry delay. A copy may be asked for up to `jitter` (a share, 0.2 = 20 %) later than `afterMs`, never sooner. */
export interface Delay {
  readonly afterMs: number
  readonly jitter: number
}

/** Where the dead letters of one (group, topic) go. `name` is a template with {topic}, {group} and {service}; kept for ever without `ttlMs`. */
export interface DeadLetterPlace {
  readonly name?: string
  readonly ttlMs?: number
}

/** Dead letters that are published to something of others. No list, count, replay or purge of ours has them. */
export interface LettersOfOthers {
  readonly to: LetterTarget
}

export interface GroupTopology {
  readonly group: string
  readonly topic: string
  readonly delays: readonly Delay[]
  /** `false`: the core never settles with `deadLetter` here, no place is needed. */
  readonly deadLetter: DeadLetterPlace | LettersOfOthers | false
  /** Where its messages come from instead of from the topic, which then is only a name: for its retries and dead letters, and for people. */
  readonly source?: Source
  /** As `SubscribeOptions.shared`: whoever is refused is refused before anything is made. */
  readonly shared?: boolean
}

/** What must exist before the first message: declared at start, so that nothing is made on the way of a delivery. */
export interface Topology {
  readonly topics: readonly string[]
  readonly groups: readonly GroupTopology[]
}

/** One thing that is missing or declared otherwise, in words: `what` names it. */
export interface Difference {
  readonly what: string
  readonly wanted: string
  readonly found: string
}

export interface SubscribeOptions {
  readonly topics: readonly string[]
  readonly group: string
  /** Where a group begins that has no position in a topic yet. */
  readonly from: 'earliest' | 'latest'
  /** One member at a time; a second subscribe rejects with GROUP_TAKEN. */
  readonly exclusive: boolean
  /** By topic, those that come from something of others. As declared. */
  readonly sources?: ReadonlyMap<string, Source>
  /** Clients that are not ours may be in the group: what they have been given stays theirs. Default false: GROUP_FOREIGN. */
  readonly shared?: boolean
  /** Per topic: at most this many handed out and unsettled, and never further than 50 times this past the oldest unsettled one. */
  readonly limit: number
  readonly onDeliveries: (deliveries: readonly Delivery[]) => void
  /** No longer ours (rebalance, lost connection, lost lease): what has not started must not start, what runs is told by its signal. */
  readonly onLost: (deliveries: readonly Delivery[]) => void
  /** Said when it changes. `reconnecting` is said again when what keeps it away is another thing than it was, once each. */
  readonly onState: (state: SubscriptionState) => void
}

export type SubscriptionState =
  /** A state with a `notice` is no change: the driver found something while reading that stops nobody and has to be said. */
  | { readonly kind: 'consuming'; readonly notice?: Error }
  | { readonly kind: 'reconnecting'; readonly error: Error }
  | { readonly kind: 'dead'; readonly error: Error }

/** Connected with a `notice`: the driver found something that stops nobody and has to be said. */
export type ConnectionState =
  | { readonly kind: 'connected'; readonly notice?: Error }
  | { readonly kind: 'blocked' | 'reconnecting' | 'dead'; readonly error: Error }

export interface Subscription {
  /**
   * Resolves when every copy is stored and every acknowledgement sent; a lost delivery is skipped. Rejects with SettleError naming those whose
   * copy could not be stored, and which of them would be refused again; they stay unsettled, and hold no other one.
   */
  settle(settlements: readonly Settlement[]): Promise<void>
  /** From now on; 0 pauses, 1 isolates. */
  limit(deliveries: number): void
  /** No new deliveries after this resolves. What is in flight can still be settled. Safe to call twice. */
  stop(): Promise<void>
}

/** What differs between brokers and matters to the core. Data: read by the suite, the groups and the docs table. */
export interface Capabilities {
  /** What was confirmed survives the end of every process. */
  readonly durable: boolean
  /** The same key is handled by one member at a time, in publish order, however many members there are. */
  readonly orderedAcrossProcesses: boolean
  /** A new group of a used topic starts at the earliest message kept. Without it, it gets what no group had taken. */
  readonly keepsHistory: boolean
  /** A delivery may stay unsettled this long; longer, the broker takes it back. Infinity where there is no such limit. */
  readonly longestHandlingMs: number
  /** The members of a group can know each other: `Driver.members` is there. */
  readonly members: boolean
  /** How many messages of a topic that no group reads are kept, and how long. Without it the broker's own rules hold. */
  readonly unclaimed?: { readonly messages: number; readonly keepMs: number }
  /** The messages that are out or wait for their retry can be told one by one: `Admin.unsettled` is there. */
  readonly unsettled?: true
  /** Going down, the broker hands on to the next member what one had, and counts each time: no process sees all of that. Default false. */
  readonly countsOutages?: boolean
  /** What of others a group can take its messages from; the core refuses the rest. Without it every source is read as the topic itself: nothing of others is here. */
  readonly sources?: readonly SourceKind[]
  /**
   * The kinds of things of others that a group's dead letters can go to; the core refuses the rest. Without it there is nothing of others here: the
   * core asks for the topic's own place instead, so the driver never sees `to`.
   */
  readonly letterTargets?: readonly LetterTargetKind[]
  /** Where `sources` is given: messages can be published to an exchange of others. Default false: refused. */
  readonly targets?: boolean
}

/** What one member of a group says of itself. The core writes it and reads it; for a driver it is a text. */
export interface MemberNote {
  readonly member: string
  readonly note: string
}

/** What the members of a group tell each other. A note is gone when it was not told again in time: its member is dead. */
export interface Members {
  /** Keeps the note, instead of an earlier one of this member, for so long from now. Who asks for the list after it resolves finds it there. */
  tell(group: string, member: string, note: string, forMs: number): Promise<void>
  /** The notes that are kept now, ours too. */
  list(group: string): Promise<readonly MemberNote[]>
  /** Takes the note back. */
  leave(group: string, member: string): Promise<void>
}

export interface PublishOptions {
  /** What is not confirmed by then has failed, and is not sent any more. Default `publishTimeoutMs`. */
  readonly withinMs?: number
}

export interface TailOptions {
  readonly topic: string
  readonly from: 'now' | 'earliest'
  readonly onMessages: (messages: readonly Message[]) => void
}

export interface Driver {
  readonly name: string
  readonly capabilities: Capabilities
  readonly admin: Admin
  /** Without it the members of a group do not know each other, and each decides for itself what nobody handles. */
  readonly members?: Members
  /** Resolves at the first connection. A later loss is a state, said again when another thing keeps it away, and the driver comes back by itself. */
  connect(onState: (state: ConnectionState) => void): Promise<void>
  /** 'check' changes nothing; 'create' adds what is missing and never alters or deletes. Returns what differs. */
  ensure(topology: Topology, mode: 'create' | 'check'): Promise<readonly Difference[]>
  /** Resolves when the broker has every message; otherwise rejects with PublishError, within the time it was given. */
  publish(messages: readonly Message[], options?: PublishOptions): Promise<void>
  /** Why what was published to a topic is not confirmed yet, where that is known and not the state of the connection. */
  trouble?(topic: string, target?: Target): Error | undefined
  /**
   * How many messages a call of `publish` should have, where calls may overlap: one connection keeps their order, and each message is confirmed by
   * itself. Without it one call a topic is out at a time, with as many messages as there are.
   */
  readonly pipelinedBatch?: number
  subscribe(options: SubscribeOptions): Promise<Subscription>
  /**
   * What a delivery is on the broker. Called when a handler or a decoder asks for it, while the delivery is unsettled. Without it the core makes one
   * from the message.
   */
  raw?(delivery: Delivery): Raw
  /** What is published from now on (or from the start, where kept), to this process alone: no group, nothing to settle. */
  tail(options: TailOptions): Promise<{ stop(): Promise<void> }>
  /** Flushes, hands unsettled deliveries back uncounted, disconnects. Safe to call twice, also while connecting. */
  close(): Promise<void>
}

/** What topics are like when they are made, on brokers where that differs. */
export interface TopicOptions {
  /** Of every topic. More members of a group than this do not share one of its topics. */
  readonly partitions?: number
  /** Of single topics, by name. `unclaimed: false`: what no group of ours reads is kept for none. */
  readonly topics?: Readonly<Record<string, { readonly partitions?: number; readonly unclaimed?: boolean }>>
}

/** What the core gives every driver. Drivers get their time from `clock` and say nothing themselves: state goes through the callbacks. */
export interface DriverOptions {
  /** Already checked: its scheme is the driver's. */
  readonly url: string
  /** For the names of places. */
  readonly service: string
  /** Put before the names of everything the driver makes on the broker. Empty unless asked for. */
  readonly prefix: string
  readonly publishTimeoutMs: number
  readonly clock: Clock
  readonly durability: 'normal' | 'full'
  readonly tls: boolean | { readonly ca?: string; readonly cert?: string; readonly key?: string }
  readonly auth?: { readonly username: string; readonly password: string; readonly mechanism?: string }
  /** The user's options for the client library. Passed on as they are; one that contradicts a promise is refused with CLIENT_OPTION. */
  readonly client?: Readonly<Record<string, unknown>>
  /** Where topics have no partitions of the broker's there is nothing to do for it. */
  readonly topics?: TopicOptions
  /** What topics are called on this broker, where that is not their name (and then without the prefix): `shop:orders` of Redis, an exchange of MassTransit. */
  readonly names?: Readonly<Record<string, string>>
}

/** Time as a parameter. Tests give a virtual one. */
export interface Clock {
  /** Ms since the epoch. */
  now(): number
  /** Ms since anywhere, of a clock that nobody sets: for durations. Without it `now` is taken. */
  monotonic?(): number
  /** Calls `fn` once after `ms`; the returned function cancels. Does not keep the process alive. */
  after(ms: number, fn: () => void): () => void
  /** `false`: what is owed to this clock keeps no process alive, as of a test's that is over. Default true. */
  readonly holds?: boolean
}
