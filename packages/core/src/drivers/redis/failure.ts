import type { Source } from '../../driver.ts'
import { asError, CorebusError } from '../../errors.ts'
import { groupForeign } from '../others.ts'
import { NOBODY } from './scripts/common.ts'

/** Redis answers with a word, then what it means. */
const TEMPORARY = /^(OOM|MISCONF|LOADING|READONLY|NOREPLICAS|CLUSTERDOWN|MASTERDOWN|BUSY|TRYAGAIN|MOVED|ASK)\b/
const ELSEWHERE = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|READONLY|MASTERDOWN)\b/
const BLOCKED = /^(OOM|MISCONF|NOREPLICAS)\b/
/** In a script Redis 7.0 says it in words alone. */
const NO_ACCESS = /^(NOPERM|NOAUTH|WRONGPASS)\b|^ERR The user executing the script can't/
const FOR_GOOD: ReadonlySet<string> = new Set(['ACCESS_REFUSED', 'REFUSED', 'TOPOLOGY'])
/** What Redis adds to an error in a script: the same trouble is to be the same text. */
const IN_SCRIPT = / script: [0-9a-f]{40}, on @user_script.*$/
/** Trying again cannot help: the user, its password, the number of its database, or TLS. */
const HOPELESS =
  /^(NOPERM|NOAUTH|WRONGPASS|CLUSTER_DB|SENTINEL)\b|DB index|SELECT is not allowed|invalid password|certificate|CERT_|ERR_(SSL|TLS|OSSL)|UNABLE_TO_|SELF_SIGNED|EPROTO/

export const isTemporary = (error: Error): boolean => isLost(error) || TEMPORARY.test(error.message)
/** Another node has it, or will. */
export const isElsewhere = (error: Error): boolean => ELSEWHERE.test(error.message)
/** It takes no writes now: memory, disk or replicas. */
export const isBlocked = (error: Error): boolean => BLOCKED.test(error.message)
export const isLost = (error: Error): boolean => error instanceof CorebusError && error.code === 'CONNECTION_LOST'
export const isHopeless = (error: Error): boolean => HOPELESS.test(inWords(error))
/** What Redis answered once it is an error of ours: asking again cannot help. */
export const isForGood = ({ code }: CorebusError): boolean => FOR_GOOD.has(code)
/** A stream or group that is not there any more. (A reader that waits is told UNBLOCKED at first, also when its stream has only moved.) */
export const isGone = (error: Error): boolean => /^NOGROUP\b/.test(error.message)

export const isNoAccess = (thrown: unknown): boolean => NO_ACCESS.test(asError(thrown).message)
/** A key that holds something else. */
export const isNoStream = (thrown: unknown): boolean => /\bWRONGTYPE\b/.test(asError(thrown).message)

/** What Redis answered, as an error of ours. Of a lost connection the same error. */
export function refusalOf(thrown: unknown, where: string): CorebusError {
  const error = asError(thrown)
  if (error instanceof CorebusError) return error
  if (NO_ACCESS.test(error.message)) return new CorebusError('ACCESS_REFUSED', `Redis at ${where}: ${error.message}`, { cause: error })
  if (isBlocked(error)) return blocked(error, where)
  return new CorebusError('REFUSED', `Redis at ${where}: ${error.message.replace(IN_SCRIPT, '')}`, { cause: error })
}

export function blocked(error: Error, where: string): CorebusError {
  return new CorebusError('BROKER_BLOCKED', `Redis at ${where} takes no messages now: ${error.message}`, { cause: error })
}

export function unreachable(where: string, error: Error): CorebusError {
  return new CorebusError('CONNECT', `no connection to Redis at ${where}: ${inWords(error)}`, { cause: error })
}

export function closed(): CorebusError {
  return new CorebusError('CLOSED', 'this driver is closed')
}

export function membershipLost(group: string): CorebusError {
  return new CorebusError('MEMBERSHIP_LOST', `this member of ${group} was silent for too long: what it held is handled elsewhere`)
}

/** @returns the error for a key that holds something else than a stream. */
export function noStream(stream: string, isSource: boolean): CorebusError {
  const text = `the key ${stream} holds something that is no stream`
  if (isSource) return new CorebusError('SOURCE', `${text}, and nothing can be read from it: correct from: { stream }`)
  return new CorebusError('REFUSED', `${text}: give the topic another name, or another key with the option names`)
}

export function noSuchStream(stream: string, { topic, group }: Record<'topic' | 'group', string>): CorebusError {
  return new CorebusError(
    'SOURCE',
    `group ${group} reads topic ${topic} from the stream ${stream}, and there is none: streams of others are not made here. Correct from: { stream }, or ` +
      `let its owner make it first: redis-cli XGROUP CREATE ${stream} ${group} 0 MKSTREAM`,
  )
}

/** A topic's stream where nothing may be made. */
export function notMadeHere(topic: string, stream: string): CorebusError {
  const key = stream === topic ? '' : ` (${stream})`
  return new CorebusError(
    'TOPOLOGY',
    `the stream of topic ${topic}${key} is not there, and topology: 'check' makes none: start a service with topology: 'create', or let its owner make it`,
  )
}

export function wrongSource({ topic, group }: Record<'topic' | 'group', string>, source: Source): CorebusError {
  return new CorebusError(
    'SOURCE',
    `group ${group} reads topic ${topic} from ${JSON.stringify(source)}, and on Redis it can be { stream: '<key>' } alone`,
  )
}

/** Two topics of a group are one stream: each would get a part of it. */
export function readTwice(group: string, stream: string, topics: readonly [string, string]): CorebusError {
  return new CorebusError(
    'SOURCE',
    `group ${group} reads the stream ${stream} as topic ${topics.join(' and as topic ')}: handle it as one topic, or in two groups`,
  )
}

/** A group of this name belongs to another client. */
export function heldByOthers({
  topic,
  group,
  name,
  pending,
}: Record<'topic' | 'group' | 'name', string> & { pending: number }): CorebusError {
  return groupForeign(group, `consumer ${name} of ${topic} holds ${pending} messages`, 'shared: true joins it as one more consumer')
}

/** Another client reads in a group of ours. */
export function sharedWithOthers({
  stream,
  group,
  name,
  pending,
}: Record<'stream' | 'group' | 'name', string> & { pending: number }): CorebusError {
  return new CorebusError(
    'GROUP_FOREIGN',
    `consumer ${name} of another client reads ${stream} in group ${group}: the ${pending} messages that it holds are left to it, and nobody else ` +
      `handles them. If it is gone for good, claim them for us: redis-cli XCLAIM ${stream} ${group} '${NOBODY}' 0 <ids>`,
  )
}

/** Of several attempts the client tells each alone; some errors have only a code. */
export function inWords(error: Error): string {
  const inner = error instanceof AggregateError && error.errors.length > 0 ? asError(error.errors[0]) : error
  const code = 'code' in inner && typeof inner.code === 'string' ? inner.code : ''
  return inner.message === '' ? code : code === '' || inner.message.includes(code) ? inner.message : `${inner.message} (${code})`
}
