/** Where something is published to, `mandatory`. One object per place, so that what is wrong with it is repaired once. */
export interface Target {
  readonly exchange: string
  readonly routingKey: string
  /** Makes the place anew: the broker does not have it any more. @throws when it may not or cannot. */
  readonly remake: () => Promise<void>
  /** Why the broker said no, when it did not say. */
  readonly whyRefused: () => Promise<Error>
}

/** For a message about it. */
export function placeOf({ exchange, routingKey }: Target): string {
  return exchange === '' ? `the queue ${routingKey}` : `the exchange ${exchange}`
}
