import type { Awaited } from '../collections/pending.ts'
import type { Message } from '../driver.ts'
import { CorebusError, PublishError, type PublishFailure } from '../errors.ts'

/** One caller's messages, until each is confirmed or has failed. */
export interface Call extends Awaited {
  readonly messages: readonly Message[]
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  /** What is confirmed or has failed; not kept for a single message. */
  readonly done: Set<Message> | undefined
  left: number
  failures: PublishFailure[] | undefined
  /** Handed to a driver: from then on the broker may have it. */
  sent: boolean
}

/** What `newCall` is given of a promise. */
export type Settling = Pick<Call, 'resolve' | 'reject'>

export function newCall(messages: readonly Message[], deadline: number, { resolve, reject }: Settling): Call {
  const done = messages.length === 1 ? undefined : new Set<Message>()
  return {
    messages,
    deadline,
    resolve,
    reject,
    done,
    left: messages.length,
    failures: undefined,
    sent: false,
    over: false,
    previous: undefined,
    next: undefined,
  }
}

/** Whether that was the last one. */
export function answered(call: Call, message: Message, failure: PublishFailure | undefined): boolean {
  if (failure) {
    call.failures ??= []
    call.failures.push({ ...failure, topic: message.topic })
  }
  call.done?.add(message)
  return --call.left === 0
}

/** Tells the caller what was answered. */
export function tell({ failures, resolve, reject }: Call): void {
  if (!failures) resolve()
  // Nothing of the broker's: the call asked for what there is not.
  else if (failures.every(({ cause }) => cause instanceof CorebusError && cause.code === 'TARGET'))
    reject(new PublishError(failures, 'TARGET'))
  else reject(new PublishError(failures))
}

/** Tells the caller that what was not answered has failed. */
export function tellExpired({ messages, done, failures = [], reject }: Call, causeFor: (message: Message) => Error): void {
  const waiting = messages.filter((message) => !done?.has(message))
  // Messages of one place share an error: thousands with a stack each would hold up the process when its broker is away.
  const causes = new Map<string, Error>()
  const causeOf = (message: Message): Error => {
    const place = message.target ? JSON.stringify([message.topic, message.target]) : message.topic
    const cause = causes.get(place) ?? causeFor(message)
    causes.set(place, cause)
    return cause
  }
  const expired = waiting.map((message) => ({ id: message.id, topic: message.topic, permanent: false, cause: causeOf(message) }))
  reject(new PublishError([...failures, ...expired], 'PUBLISH_TIMEOUT'))
}
