import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { ISocketFactory, KafkaConfig } from 'kafkajs'
import { CorebusError } from '../../errors.ts'

/** What the user's options say, sorted by who takes it. */
export interface ClientOptions {
  readonly kafka: Omit<KafkaConfig, 'brokers' | 'ssl' | 'socketFactory'>
  /** Laid over what tls says. */
  readonly ssl: ConnectionOptions
  /** For the way to the broker through a proxy or a tunnel. */
  readonly openSocket?: ISocketFactory
  /** A member that has not been heard of for so long is given up. */
  readonly sessionMs: number
}

const CONNECT_TIMEOUT_MS = 3_000
/** A request that was not answered by then is given up, and its connection with it. */
const REQUEST_TIMEOUT_MS = 5_000
/** Back within 15 s of an outage: with time to notice it, and to connect. */
const LONGEST_TIMEOUT_MS = 10_000
/** The least that brokers allow unless told otherwise: so long nobody has what a killed member had. */
const SESSION_MS = 6_000
const SHORTEST_SESSION_MS = 1_000
/** Another member has what a killed one had within 30 s. */
const LONGEST_SESSION_MS = 25_000

const NAMES = [
  'clientId',
  'connectionTimeout',
  'authenticationTimeout',
  'reauthenticationThreshold',
  'requestTimeout',
  'sasl',
  'ssl',
  'socketFactory',
  'logLevel',
  'logCreator',
  'sessionTimeout',
]
const TIMEOUTS = ['connectionTimeout', 'authenticationTimeout', 'requestTimeout']
/** What auth is for. Of the others kafkajs brings oauthbearer and aws, and takes a provider of your own. */
const LOGINS = ['plain', 'scram-sha-256', 'scram-sha-512']

/** Why some are refused, and what to use. */
const REFUSED: Readonly<Record<string, string>> = {
  brokers: 'the address says where the brokers are: use url',
  retry:
    'the driver tries again by itself, once for each promise it gives; kafkajs would do so in the middle of that, and lose or repeat messages',
  enforceRequestTimeout: 'a broker that is gone without a word would be waited for for ever: give requestTimeout',
  ...of(['ca', 'cert', 'key'], 'use tls'),
  ...of(['username', 'password', 'mechanism'], 'use auth'),
  ...of(
    ['idempotent', 'transactionalId', 'maxInFlightRequests', 'allowAutoTopicCreation', 'createPartitioner', 'acks', 'compression'],
    'the driver publishes by itself, and uses no producer of kafkajs',
  ),
  ...of(
    ['groupId', 'heartbeatInterval', 'rebalanceTimeout', 'partitionAssigners', 'maxWaitTimeInMs', 'maxBytes', 'fromBeginning'],
    'the driver is a member of groups by itself, and uses no consumer of kafkajs',
  ),
}

function of(names: readonly string[], why: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, why]))
}

/**
 * The user's options for kafkajs, as they are, over the driver's.
 * @throws CorebusError CLIENT_OPTION for one that kafkajs does not know, or that would break a promise.
 */
export function clientOptions(
  given: Readonly<Record<string, unknown>> = {},
  has: { readonly tls: boolean; readonly auth: boolean },
): ClientOptions {
  const faults = Object.entries(given).flatMap(([name, value]) => {
    const fault = REFUSED[name] ? `cannot be given: ${REFUSED[name]}` : faultOf(name, value, has)
    return fault ? `client.${name} ${fault}` : []
  })
  if (faults.length > 0) throw new CorebusError('CLIENT_OPTION', `options for the Kafka client: ${faults.join('; ')}`)

  const { ssl = {}, socketFactory, sessionTimeout: sessionMs = SESSION_MS, ...options } = given as Named
  const kafka = {
    clientId: `corebus-${process.pid}`,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // It logs every retry as an error; the driver says itself what is news. Who asks for its log gets it.
    ...(options.logLevel === undefined && { logCreator: () => () => {} }),
    ...options,
  }
  return { kafka, ssl, sessionMs, ...(socketFactory && { openSocket: socketFactory }) }
}

/** Their types are kafkajs's: what does not fit it refuses, or faultOf has. */
type Named = ClientOptions['kafka'] & {
  readonly ssl?: ConnectionOptions
  readonly socketFactory?: (...args: Parameters<ISocketFactory>) => Socket
  readonly sessionTimeout?: number
}

/** What is wrong with it, to be read after its name. */
function faultOf(name: string, value: unknown, { tls, auth }: { readonly tls: boolean; readonly auth: boolean }): string | undefined {
  if (!NAMES.includes(name)) return `is no option of the client: there are ${NAMES.join(', ')}`
  if (TIMEOUTS.includes(name) && !(typeof value === 'number' && value > 0 && value <= LONGEST_TIMEOUT_MS))
    return `must be a number of milliseconds above 0 and up to ${LONGEST_TIMEOUT_MS}, or a lost connection would not be noticed in time`
  switch (name) {
    case 'sessionTimeout':
      return typeof value === 'number' && value >= SHORTEST_SESSION_MS && value <= LONGEST_SESSION_MS
        ? undefined
        : `must be from ${SHORTEST_SESSION_MS} to ${LONGEST_SESSION_MS} ms: shorter, a busy member would be given up; longer, what a dead one had would lie too long`
    case 'clientId':
      return typeof value === 'string' && value !== '' ? undefined : 'must be a string that is not empty'
    case 'reauthenticationThreshold':
      return typeof value === 'number' && value >= 0 ? undefined : 'must be a number of milliseconds'
    case 'socketFactory':
    case 'logCreator':
      return typeof value === 'function' ? undefined : 'must be a function'
    case 'sasl':
      return auth ? 'cannot be given beside auth: give one of them' : loginFault(value)
    case 'ssl':
      return tlsFault(value, tls)
  }
  return undefined
}

function loginFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('mechanism' in value)) return 'must be an object with mechanism'
  return LOGINS.includes(String(value.mechanism).toLowerCase())
    ? `of the mechanism ${value.mechanism} cannot be given: use auth`
    : undefined
}

function tlsFault(value: unknown, tls: boolean): string | undefined {
  if (!tls) return 'does nothing without tls: give tls: true, and here what Node.js takes beside it, such as servername'
  if (typeof value !== 'object' || value === null) return 'must be an object with options of tls.connect, such as servername'
  for (const name of ['ca', 'cert', 'key']) if (name in value) return `cannot have ${name}: use tls`
  if ('rejectUnauthorized' in value && value.rejectUnauthorized === false)
    return "cannot have rejectUnauthorized: whoever answers would be trusted; give the brokers' authority in tls.ca"
  if ('checkServerIdentity' in value)
    return 'cannot have checkServerIdentity: whom the broker claims to be would not be checked; give servername if its certificate has another name'
  return undefined
}
