import type { Channel, Options } from 'amqplib'
import type { Difference } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import type { Declarer } from './declare.ts'
import type { Entry } from './registry.ts'

interface Named {
  /** For people. */
  readonly what: string
  readonly name: string
  /** Everywhere the same: once it is written down that somebody made it, it is not made again. */
  readonly entry?: Entry
}

export interface ExchangeThing extends Named {
  readonly kind: 'exchange'
  readonly type: 'fanout' | 'headers'
  /** Its alternate exchange. */
  readonly alternate?: string
  /** Others may have declared it with an alternate exchange of theirs: what goes through it comes to us all the same. */
  readonly anyAlternate?: true
}

export interface QueueThing extends Named {
  readonly kind: 'queue'
  readonly options: Options.AssertQueue
}

/** That what is published to `from` goes on to the queue or exchange `name`. */
export interface BindingThing extends Named {
  readonly kind: 'binding'
  readonly to: 'queue' | 'exchange'
  readonly from: string
  /** Default: empty. */
  readonly key?: string
  readonly arguments?: Readonly<Record<string, unknown>>
}

/** Something of others. It is looked at, and never declared. */
export interface ForeignThing extends Named {
  readonly kind: 'their exchange' | 'their queue'
}

/** One thing on the broker that has to be there. */
export type Thing = ExchangeThing | QueueThing | BindingThing | ForeignThing

/** inequivalent arg 'x' for queue 'q' in vhost '/': received A but current is B */
const INEQUIVALENT = /inequivalent arg '([^']*)' for (?:queue|exchange) '.*' in vhost '.*': received (.*) but current is (.*)$/s
const ALTERNATE = 'alternate-exchange'

/** Makes it, or lets the broker compare it with what is there. */
export async function declare(channel: Channel, thing: Thing): Promise<unknown> {
  switch (thing.kind) {
    case 'exchange':
      return channel.assertExchange(thing.name, thing.type, {
        durable: true,
        ...(thing.alternate !== undefined && { alternateExchange: thing.alternate }),
      })
    case 'queue':
      return channel.assertQueue(thing.name, thing.options)
    case 'binding': {
      const { name, from, to, key = '', arguments: args } = thing
      return to === 'queue' ? channel.bindQueue(name, from, key, args) : channel.bindExchange(name, from, key, args)
    }
    case 'their exchange':
      return channel.checkExchange(thing.name)
    case 'their queue':
      return channel.checkQueue(thing.name)
  }
}

/** Whether it is there. Of a binding the broker does not tell. */
export async function exists(declarer: Declarer, thing: Exclude<Thing, BindingThing>): Promise<boolean> {
  const isQueue = thing.kind === 'queue' || thing.kind === 'their queue'
  return isQueue ? (await declarer.count(thing.name)) !== undefined : declarer.hasExchange(thing.name)
}

export function missing({ what, kind, name }: Thing): Difference {
  return { what: `${what}, ${kind.replace('their ', '')} ${name}`, wanted: 'exists', found: 'missing' }
}

/** Declared as something else than what is there, `accepted` where that is all the same to us. @throws any other error, in words */
export function differenceOf(error: unknown, thing: Thing): Difference & { readonly accepted?: true } {
  if (!(error instanceof CorebusError)) throw error
  const [, arg, wanted, found] = INEQUIVALENT.exec(error.message) ?? []
  if (arg === undefined || wanted === undefined || found === undefined) throw forbidden(error, thing.what)
  const isFanout = thing.kind === 'exchange' && thing.anyAlternate
  const what = `${thing.what}, ${thing.kind} ${thing.name}: ${arg}`
  if (isFanout && arg === ALTERNATE) return { what, wanted: plain(wanted), found: plain(found), accepted: true }
  const how = isFanout && arg === 'type' ? '. An exchange of others is read with from: { exchange }' : ''
  return { what, wanted: plain(wanted), found: `${plain(found)}${how}` }
}

/**
 * What would keep it from being made where it is not there, without making it: the broker asks for the right first, and then refuses what nobody could
 * declare. @throws CorebusError ACCESS_REFUSED
 */
export async function probe(declarer: Declarer, thing: Thing): Promise<void> {
  try {
    await declarer.run(async (channel) => {
      switch (thing.kind) {
        case 'exchange':
          return channel.assertExchange(thing.name, thing.type, { durable: true, arguments: { [ALTERNATE]: 0 } })
        case 'queue':
          return channel.assertQueue(thing.name, { ...thing.options, arguments: { ...thing.options.arguments, 'x-message-ttl': -1 } })
        case 'binding':
        case 'their exchange':
        case 'their queue':
          return undefined
      }
    })
  } catch (error) {
    if (error instanceof CorebusError && error.code === 'ACCESS_REFUSED') throw forbidden(error, thing.what)
    if (!(error instanceof CorebusError) || error.code !== 'PRECONDITION_FAILED') throw error
  }
}

export function forbidden(error: unknown, what: string): unknown {
  if (!(error instanceof CorebusError) || error.code !== 'ACCESS_REFUSED') return error
  const text = `${what}: ${error.message}. Give the user the right, or create it and set topology: 'check'`
  return new CorebusError('ACCESS_REFUSED', text, { cause: error })
}

/** "the value '60000' of type 'long'" */
function plain(words: string): string {
  return /the value '(.*)' of type/.exec(words)?.[1] ?? words
}
