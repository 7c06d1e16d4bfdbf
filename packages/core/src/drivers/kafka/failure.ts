import type { Source } from '../../driver.ts'
import { asError, CorebusError } from '../../errors.ts'
import { groupForeign } from '../others.ts'

/** What the broker or kafkajs says went wrong. `type` is the protocol's name of it, empty for a lost connection. */
export interface Failure {
  readonly type: string
  readonly error: Error
  /** Where a fetch failed. */
  readonly topic?: string
  readonly partition?: number
}

/** kafkajs wraps errors in those of its retries. */
export function failureOf(thrown: unknown): Failure {
  let error = asError(thrown)
  for (let depth = 0; depth < 5 && !hasType(error) && error.cause instanceof Error; depth++) error = error.cause
  return {
    type: hasType(error) ? error.type : '',
    error,
    ...('topic' in error && typeof error.topic === 'string' && { topic: error.topic }),
    ...('partition' in error && typeof error.partition === 'number' && { partition: error.partition }),
  }
}

/** A request for several things may fail for each of them by itself. @throws the first that is, for another reason than `type` */
export function throwBut(thrown: unknown, type: string): void {
  const errors: readonly unknown[] =
    thrown instanceof Error && 'errors' in thrown && Array.isArray(thrown.errors) ? thrown.errors : [thrown]
  const refused = errors.find((one) => failureOf(one).type !== type)
  if (refused) throw refused
}

function hasType(error: Error): error is Error & { readonly type: string } {
  return 'type' in error && typeof error.type === 'string'
}

/** Publishing the same again would be refused again. */
const PERMANENT: ReadonlySet<string> = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'INVALID_TOPIC_EXCEPTION',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'POLICY_VIOLATION',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
])

/** Said by the driver itself of what is there. */
const OURS: ReadonlySet<string> = new Set(['TOPOLOGY', 'UNWRITABLE', 'SOURCE', 'TARGET', 'GROUP_FOREIGN'])

export function isPermanent(failure: Failure): boolean {
  const code = failure.error instanceof CorebusError ? failure.error.code : ''
  return OURS.has(code) || PERMANENT.has(failure.type) || failure.error.name === 'KafkaJSSASLAuthenticationError' || isHopeless(failure)
}

/** Connecting again cannot help: the login, or TLS. */
export function isHopeless({ error }: Failure): boolean {
  return (
    error.name === 'KafkaJSSASLAuthenticationError' || /certificate|CERT_|ERR_(SSL|TLS|OSSL)|UNABLE_TO_|SELF_SIGNED/.test(wordsOf(error))
  )
}

const COORDINATOR_GONE: ReadonlySet<string> = new Set([
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
  '',
])

/** Somebody else coordinates the group now, or nobody yet. */
export function isCoordinatorGone({ type }: Failure): boolean {
  return COORDINATOR_GONE.has(type)
}

/** The user lacks a right. */
export function isForbidden({ type }: Failure): boolean {
  return type.endsWith('_AUTHORIZATION_FAILED')
}

/** Kafka does not say which right it is, nor always of what. */
export function forbidden(what: string, { error }: Failure): CorebusError {
  return new CorebusError('ACCESS_REFUSED', `Kafka refuses this user ${what}: ${error.message}`, { cause: error })
}

const LEADER_GONE: ReadonlySet<string> = new Set([
  'NOT_LEADER_FOR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'KAFKA_STORAGE_ERROR',
  'REQUEST_TIMED_OUT',
  '',
])

/** Another broker may lead the partition now, or this one when it is back: the same may be read there. */
export function isLeaderGone(failure: Failure): boolean {
  const isClosed = 'code' in failure.error && failure.error.code === 'CLOSED'
  return LEADER_GONE.has(failure.type) && !isClosed && !isPermanent(failure)
}

export function isUnknownTopic({ type }: Failure): boolean {
  return type === 'UNKNOWN_TOPIC_OR_PARTITION' || type === 'UNKNOWN_TOPIC_ID'
}

export function wordsOf(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : ''
  return `${error.message}${code}`
}

/** In words a person can act on. */
export function inWords({ type, error }: Failure): string {
  if (error.name === 'KafkaJSSASLAuthenticationError') return 'user or password is wrong, or the mechanism is not enabled for them'
  if (/Closed connection|closed by the broker/.test(error.message))
    return 'it closed the connection before its first answer: does this listener expect TLS or a login, or neither?'
  return type === '' ? wordsOf(error) : `${error.message} (${type})`
}

export function unreachable(where: string, failure: Failure): CorebusError {
  return new CorebusError('CONNECT', `cannot connect to Kafka at ${where}: ${inWords(failure)}`, { cause: failure.error })
}

export function closed(): CorebusError {
  return new CorebusError('CLOSED', 'the Kafka driver has been closed')
}

/** A topic of others that is not there. Metadata says the same of one that the user may not see. */
export function noSuchTopic(name: string, { topic, group }: Record<'topic' | 'group', string>): CorebusError {
  return new CorebusError(
    'SOURCE',
    `group ${group} reads topic ${topic} from the topic ${name} of Kafka, and there is none, or the user may not see it: topics of others are not made here. Correct from: { topic }, or let its owner make it first`,
  )
}

export function wrongSource({ topic, group }: Record<'topic' | 'group', string>, source: Source): CorebusError {
  return new CorebusError(
    'SOURCE',
    `group ${group} reads topic ${topic} from ${JSON.stringify(source)}, and on Kafka it can be { topic: '<name>' } alone`,
  )
}

/** Two topics of a group are one on the broker: each partition goes to one of them. */
export function readTwice(group: string, name: string, topics: readonly [string, string]): CorebusError {
  return new CorebusError(
    'SOURCE',
    `group ${group} reads the topic ${name} of Kafka as topic ${topics.join(' and as topic ')}: handle it as one topic, or in two groups`,
  )
}

/** Kafka gives each partition to one member, by a protocol that all of them speak: nobody can be one more beside clients that speak another. */
export function heldByOthers(group: string, who: string, options?: { cause: unknown }): CorebusError {
  return groupForeign(
    group,
    who,
    'or stop them, and it goes on at the offsets that they committed. shared: true does not help here',
    options,
  )
}

export function taken(group: string): CorebusError {
  return new CorebusError('GROUP_TAKEN', `group ${group} has a member on this topic already, and may have one at a time`)
}

/** The broker keeps a member waiting for others that do not come: each of them is given up when its session is over. */
export function waits(group: string): CorebusError {
  return new CorebusError('CONNECT', `group ${group} is waiting for its other members, and is joined when they have come or are given up`)
}

export function notJoined(group: string, trouble?: Error): CorebusError {
  return new CorebusError('CONNECT', `group ${group} could not be joined in time${trouble ? `: ${trouble.message}` : ''}`)
}

/** A member was not heard of for a session, and what it held was given to others. */
export function expelled(group: string): CorebusError {
  return new CorebusError(
    'MEMBERSHIP_LOST',
    `group ${group} went on without this member, which it had not heard of: what it held is lost to it`,
  )
}
