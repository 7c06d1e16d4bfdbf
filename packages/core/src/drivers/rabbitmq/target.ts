import type { CorebusError } from '../../errors.ts'

/** Where something is published to. One object per place of ours, so that what is wrong with it is repaired once. */
export interface Target {
  readonly exchange: string
  readonly routingKey: string
  /** By which its exchange routes, laid over those of the message. */
  readonly headers?: Readonly<Record<string, string>>
  /** What goes to targets of one name shares a channel. Default: the exchange, or the queue. */
  readonly channel?: string
  /** What nobody takes there is not wanted. Default false: it is an error, after the place was made anew. */
  readonly mayBeLost?: boolean
  /** Makes the place anew: the broker does not have it, or nothing takes what is published there. @throws when it may not or cannot. */
  readonly remake: (why: CorebusError) => Promise<void>
  /** Why the broker said no, when it did not say. */
  readonly whyRefused: () => Promise<Error>
}

/** For a message about it. */
export function placeOf({ exchange, routingKey }: { readonly exchange: string; readonly routingKey?: string }): string {
  return exchange === '' ? `the queue ${routingKey}` : `the exchange ${exchange}`
}

/** The same for all that goes the same way. */
export function lineOf({
  exchange,
  routingKey,
  headers,
}: Pick<Target, 'exchange' | 'routingKey'> & { readonly headers?: Target['headers'] | undefined }): string {
  return JSON.stringify([exchange, routingKey, headers])
}
