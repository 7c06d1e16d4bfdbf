import type { TopicOptions } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { Mistakes, type Reading, read, wrong } from '../options/reading.ts'
import { redactUrl } from '../options/redact.ts'
import { didYouMean } from '../options/spelling.ts'
import type { Formats, TopicFormat } from '../wire/topic-formats.ts'
import { type Address, chooseAddress, namedBroker } from './address.ts'
import { type Env, envValue, misspelt } from './env.ts'
import { otherInEnvFile } from './env-file.ts'
import { type Limits, limitsOf } from './limits.ts'
import { type AuthOptions, type BrokerName, LOG_LEVELS, type MessagingOptions, type TlsOptions } from './messaging-options.ts'
import { type Namesake, namesakes, namesFor } from './names-options.ts'
import { appMistakes } from './options.ts'
import { packageName, packageVersion } from './place.ts'
import type { RetryOptions } from './retry-options.ts'
import { type Secured, secure, unreadIn } from './security.ts'

export { redactUrl } from '../options/redact.ts'
export { brokerUrl, redisUrl } from './compose.ts'

/** Options and environment, parsed once: nothing after this asks the environment again. */
export interface Config extends Required<Limits> {
  /** 'custom': the `driver` option made it. */
  readonly broker: BrokerName | 'custom'
  /** The address as the driver needs it, secrets included. It is never printed; `where` is the form for messages. */
  readonly url: string
  /** The address without secrets. */
  readonly where: string
  /** Why this broker and address: 'code', 'MESSAGING_BROKER', 'RABBITMQ_URL', 'default', ... in words. */
  readonly why: string
  /** Things that are probably not meant, to be said once at start: variables one edit away from ours. */
  readonly hints: readonly string[]
  /** What a `.env` names instead, said with the broker. */
  readonly instead?: string
  readonly tls: boolean | TlsOptions
  readonly auth?: AuthOptions
  readonly client?: Readonly<Record<string, unknown>>
  readonly service: string
  /** The service's version, from the nearest package.json that has one. */
  readonly version?: string
  readonly defaultTopic?: string
  readonly prefix: string
  readonly publishTimeoutMs: number
  readonly maxPending: number
  readonly topology: 'create' | 'check'
  readonly topics?: TopicOptions
  /** What topics are called on the broker, where that is not their name. */
  readonly names?: Readonly<Record<string, string>>
  /** Topics that would be another one on a broker, by their names. */
  readonly namesakes: ReadonlyMap<string, Namesake>
  /** How messages look, where that is not as ours do. */
  readonly formats?: Formats
  readonly durability: 'normal' | 'full'
  readonly logLevel: string
  readonly retry: RetryOptions
}

const ADDRESS_OPTIONS = ['broker', 'url', 'bootstrapServers', 'tls', 'auth']

/**
 * Code before environment, environment before defaults. Reads the environment, package.json and certificates; connects to nothing.
 * @throws CorebusError CONFIG with every mistake on a line of its own, and no secret in any.
 */
export function readConfig(
  options: MessagingOptions = {},
  { env = options?.env ?? process.env, cwd = process.cwd() }: { readonly env?: Env | undefined; readonly cwd?: string | undefined } = {},
): Config {
  const checked = appMistakes(options)
  if (typeof options !== 'object' || options === null) throw configError(checked.mistakes, [])
  const mistakes = new Mistakes()
  mistakes.add(...checked.mistakes)
  // A wrong broker or address would only lead to lines about what follows from it.
  const readable = !ADDRESS_OPTIONS.some((name) => checked.wrong.has(name))
  const { place: said, hints: more } = readable && !options.driver ? mistakes.of(oneOfOurs(options, env, cwd, checked.wrong)) : NOWHERE
  const hints = [...misspelt(env, readable ? namedBroker(options, env) : undefined), ...more]
  const place = readable && options.driver ? theirs(options) : said
  const service = checked.wrong.has('service') ? undefined : mistakes.of(serviceName(options, env, cwd))
  const logLevel = options.logger ? 'info' : (options.logLevel ?? mistakes.of(levelIn(env)))
  if (mistakes.all.length > 0 || !place || service === undefined) throw configError(mistakes.all, hints)
  // An environment of its own is a test's, or a tool's.
  const instead = said && options.env === undefined ? otherInEnvFile(options, env, cwd) : undefined
  const version = packageVersion(cwd)
  const names = namesFor(place.broker, options.names)
  return {
    ...settings(options, env),
    ...place,
    ...(version !== undefined && { version }),
    ...(names && { names }),
    ...(instead !== undefined && { instead }),
    hints,
    service,
    logLevel,
  }
}

type Place = Pick<Config, 'broker' | 'url' | 'where' | 'why' | 'tls' | 'auth'>

/** Where one of our brokers is, if there is a saying, and what is probably not meant about it. */
interface Ours {
  readonly place?: Place
  readonly hints: readonly string[]
}

const NOWHERE: Ours = { hints: [] }

function oneOfOurs(options: MessagingOptions, env: Env, cwd: string, wrong: ReadonlySet<string>): Reading<Ours> {
  const mistakes = new Mistakes()
  const address = mistakes.of(chooseAddress(options, env, cwd))
  if (!address) return mistakes.with(NOWHERE)
  const { broker } = address
  const secured = mistakes.of(secure(address, options, env, cwd))
  if (broker !== 'sqlite' && options.durability !== undefined)
    mistakes.add(`durability is an option of the sqlite broker, and the broker is ${broker}: leave it out`)
  if ((broker === 'sqlite' || broker === 'memory') && options.client !== undefined)
    mistakes.add(`client does nothing with the ${broker} broker, which has no client library: leave it out`)
  const topics = wrong.has('topology') ? undefined : topicsIn(options.topology)
  const idle = topics ? idleTopicOptions(broker, topics) : []
  return mistakes.with({ place: located(address, secured), hints: [...unreadIn(env, address), ...idle] })
}

/** What a driver that is not one of ours is given: nothing is chosen, and the environment is not asked. */
function theirs({ url = '', tls = false, auth }: MessagingOptions): Place {
  const address = typeof url === 'string' ? url : url.join(',')
  const where = address === '' ? 'an address of its own' : redactUrl(address)
  return { broker: 'custom', url: address, where, why: 'code', tls, ...(auth && { auth }) }
}

function located({ broker, why }: Address, { url, tls, auth }: Secured): Place {
  const where = { kafka: url, sqlite: url, memory: 'this process', rabbitmq: redactUrl(url), redis: redactUrl(url) }[broker]
  return { broker, url, where, why, tls, ...(auth && { auth }) }
}

function settings(
  {
    prefix = '',
    publish: { timeoutMs: publishTimeoutMs = 10_000, maxPending = 10_000 } = {},
    topology = 'create',
    durability = 'normal',
    ...options
  }: MessagingOptions,
  env: Env,
): Omit<Config, 'broker' | 'url' | 'where' | 'why' | 'tls' | 'auth' | 'hints' | 'service' | 'version' | 'instead' | 'logLevel'> {
  const { maxRetries, retryDelayMs, backoff, retryIf, deadLetter } = options
  const retry: RetryOptions = {
    ...(maxRetries !== undefined && { maxRetries }),
    ...(retryDelayMs !== undefined && { retryDelayMs }),
    ...(backoff && { backoff }),
    ...(retryIf && { retryIf }),
    ...(deadLetter !== undefined && { deadLetter }),
  }
  const defaultTopic = options.defaultTopic ?? envValue(env, 'MESSAGING_DEFAULT_TOPIC')?.trim()
  const { client } = options
  const topics = topicsIn(topology)
  const formats = formatsIn(options, topology)
  return {
    ...limitsOf(options),
    prefix,
    namesakes: namesakes(options.names, prefix),
    publishTimeoutMs,
    maxPending,
    durability,
    retry,
    topology: typeof topology === 'string' ? topology : (topology.mode ?? 'create'),
    ...(topics && { topics }),
    ...(formats && { formats }),
    ...(defaultTopic !== undefined && { defaultTopic }),
    ...(client && { client }),
  }
}

/** What a driver is told of how topics are made. */
function topicsIn(topology: MessagingOptions['topology']): TopicOptions | undefined {
  if (topology === undefined || typeof topology === 'string') return undefined
  const { partitions } = topology
  const said = Object.entries(topology.topics ?? {}).flatMap(([name, { partitions, unclaimed }]) =>
    partitions === undefined && unclaimed === undefined
      ? []
      : [[name, { ...(partitions !== undefined && { partitions }), ...(unclaimed !== undefined && { unclaimed }) }] as const],
  )
  if (partitions === undefined && said.length === 0) return undefined
  return { ...(partitions !== undefined && { partitions }), ...(said.length > 0 && { topics: Object.fromEntries(said) }) }
}

/** Options of topics that do nothing on this broker. */
function idleTopicOptions(broker: BrokerName, { partitions, topics = {} }: TopicOptions): readonly string[] {
  const one = Object.values(topics)
  const chooses = partitions !== undefined || one.some((topic) => topic.partitions !== undefined)
  const keeps = one.some(({ unclaimed }) => unclaimed !== undefined)
  return [
    ...(chooses && broker !== 'kafka'
      ? [`topology.partitions and topology.topics do nothing with the ${broker} broker, whose topics have none to choose`]
      : []),
    ...(keeps && broker !== 'rabbitmq' ? [`topology.topics.*.unclaimed does nothing with the ${broker} broker: it is for RabbitMQ`] : []),
  ]
}

function formatsIn({ in: read, out }: MessagingOptions, topology: MessagingOptions['topology']): Formats | undefined {
  const topics = typeof topology === 'object' ? Object.entries(topology.topics ?? {}) : []
  const said = topics.flatMap(([name, topic]): [string, TopicFormat][] =>
    topic.in || topic.out || topic.fields
      ? [[name, { ...(topic.in && { in: topic.in }), ...(topic.out && { out: topic.out }), ...(topic.fields && { fields: topic.fields }) }]]
      : [],
  )
  if (!read && !out && said.length === 0) return undefined
  return { app: { ...(read && { in: read }), ...(out && { out }) }, topics: new Map(said) }
}

function serviceName({ service }: MessagingOptions, env: Env, cwd: string): Reading<string | undefined> {
  const name = service ?? envValue(env, 'SERVICE_NAME')?.trim() ?? envValue(env, 'API_NAME')?.trim() ?? packageName(cwd)
  if (name !== undefined) return read(name)
  return wrong(`the service has no name: give service in code or SERVICE_NAME, or a name to a package.json at or above ${cwd}`)
}

function levelIn(env: Env): Reading<string> {
  const level = envValue(env, 'LOG_LEVEL')?.trim().toLowerCase() ?? 'info'
  if ((LOG_LEVELS as readonly string[]).includes(level)) return read(level)
  const mistake = `LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}, not ${JSON.stringify(level)}.${didYouMean(level, LOG_LEVELS)}`
  return { value: level, mistakes: [mistake] }
}

function configError(mistakes: readonly string[], hints: readonly string[]): CorebusError {
  const [only = ''] = mistakes
  const head = mistakes.length === 1 ? `the configuration has a mistake: ${only}` : `the configuration has ${mistakes.length} mistakes:`
  const rest = mistakes.length === 1 ? hints : [...mistakes, ...hints]
  return new CorebusError('CONFIG', [head, ...rest.map((line) => `  ${line}`)].join('\n'))
}
