import type { ExchangeLetters, LetterTarget } from '../../driver.ts'
import { readsItself, wrongTarget } from '../letter-target.ts'
import type { Declarer } from './declare.ts'
import type { Address, Names } from './names.ts'
import type { OurSource } from './registry.ts'

interface LettersOf {
  readonly topic: string
  readonly group: string
}

interface ReadBy extends LettersOf {
  readonly names: Names
  readonly source: OurSource | undefined
}

/** @throws CorebusError TARGET for one that RabbitMQ cannot have, or that leads back to the group */
export function letterTargetOf(to: LetterTarget, { topic, group, names, source }: ReadBy): ExchangeLetters {
  const of = { topic, group }
  if (!('exchange' in to)) throw wrongTarget(of, `${JSON.stringify(to)} is nothing of RabbitMQ, where it can be { exchange, routingKey }`)
  const { exchange, routingKey } = to
  if (exchange === '' && !routingKey)
    throw wrongTarget(
      of,
      'the default exchange routes by the name of a queue: give it as routingKey, { exchange: "", routingKey: "their.dlq" }',
    )
  const read = source && 'queue' in source ? [names.work(topic, group), source.queue] : [names.work(topic, group)]
  if (exchange === '' && routingKey !== undefined && read.includes(routingKey)) throw readsItself(of, `the queue ${routingKey}`)
  // The exchange that the group reads may lead elsewhere by another routing key, unless it is that of a topic of ours, a fanout.
  const bound = source && 'exchange' in source ? routingKey === undefined && source.exchange : !source && names.topic(topic)
  if (exchange === bound) throw readsItself(of, `the exchange ${exchange}`)
  return { exchange, ...(routingKey !== undefined && { routingKey }) }
}

/** @throws CorebusError TARGET for the first that is not there */
export async function refuseMissing(
  groups: readonly (LettersOf & { readonly to?: ExchangeLetters | undefined })[],
  declarer: Declarer,
): Promise<void> {
  for (const { to, ...of } of groups) {
    if (!to) continue
    const { exchange, routingKey = '' } = to
    const isThere = exchange === '' ? (await declarer.count(routingKey)) !== undefined : await declarer.hasExchange(exchange)
    if (!isThere)
      throw wrongTarget(
        of,
        `there is no ${exchange === '' ? `queue ${routingKey}` : `exchange ${exchange}`} on RabbitMQ, and what is of others is not declared here. Correct deadLetter: { to }, or let its owner declare it first`,
      )
  }
}

/** Where a letter goes: by its own routing key where nobody says another, as RabbitMQ does it. */
export function letterAddress({ exchange, routingKey }: ExchangeLetters, { routingKey: own }: Address): Address {
  return { exchange, routingKey: routingKey ?? own }
}
