import { CorebusError } from '../../errors.ts'

/** The exchange of a topic as the builds before this one made it. Everything works with it; nobody else can declare it. */
export function madeEarlier(exchange: string, alternate: string): CorebusError {
  const what = `the exchange ${exchange} has the argument alternate-exchange (${alternate}), as earlier versions of Corebus declared it`
  const so = 'it is used as it is, but a client that declares a plain fanout of this name is refused (406)'
  const how = `When no service of an earlier version is left: rabbitmqadmin delete exchange name=${exchange}. It is made anew within 15 s, and what is published meanwhile is refused; only what others have bound to it has to be bound again`
  return new CorebusError('EARLIER_EXCHANGE', `${what}: ${so}. ${how}`)
}

/** What its peers publish "to the queue" never reaches an exchange. */
export function isAlsoAQueue(topic: string, queue: string): CorebusError {
  const what = `there is a queue that is called ${queue} as topic ${topic} is, and is not ours`
  const how = `What is published to the default exchange with this routing key lies there, and not in the topic: from: { queue: '${queue}' } reads it`
  return new CorebusError('TOPIC_IS_QUEUE', `${what}. ${how}`)
}

/** Who publishes while others are bound to the topic is not told that the groups get nothing. */
export function topicWasGone({ topic, group }: { readonly topic: string; readonly group: string }): CorebusError {
  const what = `group ${group} on topic ${topic}: an exchange of the topic was deleted while it was used, and is made anew`
  const so = 'What was published meanwhile was refused, or has come to no group where programs of others are bound to the topic'
  return new CorebusError('EXCHANGE_GONE', `${what}. ${so}. Nobody should delete it under running consumers`)
}

/** They have a part of the group's messages. */
export function moreThanMembers(
  { topic, group }: { readonly topic: string; readonly group: string },
  queue: string,
  count: number,
): CorebusError {
  const who = count === 1 ? 'a consumer that is' : `${count} consumers that are`
  const what = `the queue ${queue} has ${who} no known member of group ${group} on topic ${topic}, and a part of its messages`
  return new CorebusError(
    'GROUP_FOREIGN',
    `${what}. Give such a client a queue of its own, bound to the exchange; a member of ours that may not use corebus:members looks the same`,
  )
}
