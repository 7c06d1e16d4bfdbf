import { type Reading, read, wrong } from '../options/reading.ts'
import { redactUrl } from '../options/redact.ts'
import { didYouMean } from '../options/spelling.ts'
import { BROKER_PARTS, composedFrom, type Found, rabbitmqIn, redisIn } from './compose.ts'
import { type Env, envValue } from './env.ts'
import { BROKERS, type BrokerName, type MessagingOptions } from './messaging-options.ts'
import { brokerOf, type Parsed, parseUrl } from './parse-url.ts'
import { embeddedFile } from './place.ts'

/** Which broker, where, and who said so. */
export interface Address extends Parsed {
  readonly broker: BrokerName
  readonly why: string
  /** Where the URL comes from: what is nearer to the code wins. */
  readonly level: 'code' | 'env' | 'default'
  readonly portIsDefault: boolean
  readonly credentialsGiven: boolean
}

type Where = Pick<MessagingOptions, 'broker' | 'url' | 'bootstrapServers'>

/** The broker that code or MESSAGING_BROKER names. Only its own variables count then. */
export function namedBroker({ broker, url, bootstrapServers }: Where, env: Env): BrokerName | undefined {
  if (broker !== undefined) return broker
  const says = brokerOf(joined(url ?? bootstrapServers) ?? '')
  return says === 'none' || says === 'unknown' ? brokerIn(env) : says
}

/** `undefined` when there is no saying; the mistakes say why. */
export function chooseAddress(options: Where, env: Env, cwd: string): Reading<Address | undefined> {
  if (options.url !== undefined && options.bootstrapServers !== undefined)
    return wrong('url and bootstrapServers are two names of the same: give one of them')
  const option = options.url === undefined ? 'bootstrapServers' : 'url'
  const given = joined(options.url ?? options.bootstrapServers)
  if (given === '') return wrong(`${option} is empty: give the address, or leave the option out`)

  const named = namedBroker(options, env)
  if (named === undefined) {
    const wish = envValue(env, 'MESSAGING_BROKER')?.trim()
    if (wish !== undefined)
      return wrong(
        `MESSAGING_BROKER is ${JSON.stringify(redactUrl(wish))} and must be one of ${BROKERS.join(', ')}.${didYouMean(wish, BROKERS)}`,
      )
    if (given !== undefined) return wrong(nameless(option, given))
    return env.NODE_ENV === 'production' ? wrong(unnamedInProduction(env)) : inferred(env, cwd)
  }

  const namedBy = options.broker !== undefined || (given !== undefined && brokerOf(given) === named) ? 'code' : 'MESSAGING_BROKER'
  if (given === undefined) return fromEnv(named, namedBy, env, cwd)
  const parsed = parseUrl(named, given, option, cwd)
  const why = namedBy === 'code' ? 'code' : `${namedBy}, code`
  return addressed(parsed, ({ credentials }) => ({
    broker: named,
    why,
    level: 'code',
    portIsDefault: false,
    credentialsGiven: credentials !== undefined,
  }))
}

/** What was parsed, with how it was come by. */
function addressed(
  { value, mistakes }: Reading<Parsed | undefined>,
  how: (parsed: Parsed) => Omit<Address, keyof Parsed>,
): Reading<Address | undefined> {
  return { value: value && { ...value, ...how(value) }, mistakes }
}

function nameless(option: string, url: string): string {
  return brokerOf(url) === 'unknown'
    ? `${option} ${redactUrl(url)} has a scheme that no broker has: use kafka://, amqp://, amqps://, redis://, rediss:// or sqlite:`
    : `${option} ${redactUrl(url)} does not say which broker it is: name it, as in { broker: 'kafka', ${option}: ... }, or with MESSAGING_BROKER`
}

function joined(url: string | readonly string[] | undefined): string | undefined {
  return typeof url === 'string' || url === undefined ? url?.trim() : url.map((item) => item.trim()).join(',')
}

function brokerIn(env: Env): BrokerName | undefined {
  const wish = envValue(env, 'MESSAGING_BROKER')?.trim().toLowerCase()
  return BROKERS.find((broker) => broker === wish)
}

/** The address of a known broker. `namedBy` is empty when the address itself told which it is. */
function fromEnv(broker: BrokerName, namedBy: string, env: Env, cwd: string): Reading<Address | undefined> {
  const { value: found, mistakes } = foundFor(broker, env, cwd)
  if (mistakes.length > 0) return { value: undefined, mistakes }
  const { url, from, portIsDefault, credentialsGiven } = found
  const parsed = parseUrl(broker, url, from ?? 'the default address', cwd)
  const why = [namedBy, from ?? ''].filter((text) => text !== '').join(', ')
  return addressed(parsed, () => ({ broker, why, level: from === undefined ? 'default' : 'env', portIsDefault, credentialsGiven }))
}

function foundFor(broker: BrokerName, env: Env, cwd: string): Reading<Found> {
  switch (broker) {
    case 'kafka':
      return plain(env, 'KAFKA_BOOTSTRAP_SERVERS', 'localhost:9092')
    case 'rabbitmq':
      return rabbitmqIn(env)
    case 'redis':
      return redisIn(env)
    case 'sqlite':
      return plain(env, 'SQLITE_PATH', embeddedFile(cwd))
    case 'memory':
      return read({ url: 'memory:', from: undefined, portIsDefault: false, credentialsGiven: false })
  }
}

function plain(env: Env, name: string, otherwise: string): Reading<Found> {
  const url = envValue(env, name)?.trim()
  return read({
    url: url ?? otherwise,
    from: url === undefined ? undefined : name,
    portIsDefault: false,
    credentialsGiven: url?.includes('@') ?? false,
  })
}

/** For development: what is set says which broker is meant, if only one is. */
function inferred(env: Env, cwd: string): Reading<Address | undefined> {
  const found = candidates(env)
  const [first, second] = found
  if (first && second) {
    const list = found.map(({ broker, variables }) => `${variables.join(', ')} (${broker})`).join(' and ')
    return wrong(`${list} are set: set MESSAGING_BROKER to ${found.map(({ broker }) => broker).join(' or ')}, to say which is meant`)
  }
  // A REDIS_URL is often a cache's, so it decides only where nothing else does.
  if (first) return fromEnv(first.broker, '', env, cwd)
  if (envValue(env, 'REDIS_URL') !== undefined) return fromEnv('redis', '', env, cwd)
  return fromEnv('sqlite', 'nothing set: the embedded broker', env, cwd)
}

function candidates(env: Env): readonly { broker: BrokerName; variables: readonly string[] }[] {
  const set = (name: string) => (envValue(env, name) === undefined ? [] : [name])
  const rabbitmq = [...set('RABBITMQ_URL'), ...composedFrom(env, BROKER_PARTS)]
  return [
    { broker: 'kafka' as const, variables: set('KAFKA_BOOTSTRAP_SERVERS') },
    { broker: 'rabbitmq' as const, variables: rabbitmq },
    { broker: 'sqlite' as const, variables: set('SQLITE_PATH') },
  ].filter(({ variables }) => variables.length > 0)
}

function unnamedInProduction(env: Env): string {
  const urls = ['KAFKA_BOOTSTRAP_SERVERS', 'RABBITMQ_URL', 'REDIS_URL', 'SQLITE_PATH'].flatMap((name) => {
    const url = envValue(env, name)
    return url === undefined ? [] : [`${name} (${name === 'SQLITE_PATH' ? url : redactUrl(url)})`]
  })
  const found = [...urls, ...composedFrom(env, BROKER_PARTS)]
  return `NODE_ENV is production and no broker is named: set MESSAGING_BROKER to one of ${BROKERS.join(', ')}, or name it in code. Found: ${found.join(', ') || 'no address of any broker'}`
}
