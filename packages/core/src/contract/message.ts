import type { Properties, Target } from './foreign.ts'

/** What is sent or was received. `key` and `headers` are a readable view in UTF-8, for handlers and logs. */
export interface Message {
  /** Empty where a foreign author gave none and the broker has no lasting place to make one from. */
  readonly id: string
  readonly topic: string
  readonly key?: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly tombstone?: true
  /** Why a driver could not read it: its body is then the bytes as they lie on the broker, for its dead letter, and no handler gets it. */
  readonly unreadable?: string
  /** The name of the event in the body, for brokers that show one beside it (AMQP's `type`). Written, never read back: the body says it. */
  readonly event?: string
  /** Written, never read back: where it goes instead of to its topic. Only drivers whose capabilities have `targets` are given one. */
  readonly target?: Target
  /** Written, never read back (`Driver.raw` has them): what the broker has no place for is left out. */
  readonly properties?: Properties
  /** Written, never read back: Redis stores these fields and nothing else, neither headers nor the id. Others leave it out. */
  readonly fields?: Readonly<Record<string, string | Uint8Array>>
}

/** A message in the hands of one subscription, until it is settled or lost. */
export interface Delivery {
  readonly message: Message
  /** Times the broker handed this out and nobody settled it, also while it only waited beside one that crashed. Never a failure count. */
  readonly unsettledBefore: number
  /** It lies where users publish, as its author wrote it: what it says of attempts is not believed. Copies lie in places of the driver's own. */
  readonly original?: boolean
  /** Opaque to everyone but the driver that made it. */
  readonly receipt: unknown
}

/** `headers` are laid over the original's. Bytes, key and foreign headers are copied by the driver from its receipt, untouched. */
export type Settlement =
  | { readonly kind: 'ack'; readonly delivery: Delivery }
  | {
      readonly kind: 'retry'
      readonly delivery: Delivery
      readonly headers: Message['headers']
      readonly afterMs: number
      /** It is for another member of the group, where a driver decides which one gets it. */
      readonly elsewhere?: true
    }
  | {
      readonly kind: 'deadLetter'
      readonly delivery: Delivery
      readonly headers: Message['headers']
      /** What of the message goes into the letter; `headers` always do. Less than all is asked for when a broker refuses more for good. Default 'all'. */
      readonly keeps?: Keeps
    }

/** 'body': without the headers and properties of its author; 'nothing': without its body too. Its id stays. */
export type Keeps = 'all' | 'body' | 'nothing'
