import { kafka } from './kafka.ts'
import { type Missing, missing } from './missing.ts'
import { rabbitmq } from './rabbitmq.ts'
import { redis } from './redis.ts'

/** A real broker that tests and benchmarks may use. */
export interface Broker {
  readonly url: string
  /** What a process needs in its environment to use it. */
  readonly env: Readonly<Record<string, string>>
  /** Started here, for this caller alone: it may be restarted, killed and frozen. Of any other broker those methods reject. */
  readonly own: boolean
  /** Ends what was started here; leaves alone what was not. Safe to call twice. */
  stop(): Promise<void>
  /** Ends it as an operator would (SIGTERM) and starts it again on its data. Resolves when it answers. */
  restart(): Promise<void>
  /** The same with kill -9. */
  kill(): Promise<void>
  /** Connections stay open and it does nothing at all (SIGSTOP), until `thaw`. */
  freeze(): Promise<void>
  thaw(): Promise<void>
}

export type BrokerName = 'kafka' | 'rabbitmq' | 'redis'

/** How to find one kind of broker, or to make one. */
export interface BrokerKind {
  readonly name: BrokerName
  /** The variable that says where one is. */
  readonly variable: string
  readonly defaultUrl: string
  /** What to do about a missing one, in one line. */
  readonly install: string
  /** Whether a broker of this kind is there and lets us in. */
  answers(url: string): Promise<boolean>
  /** `undefined` when nothing is installed to start. */
  start(): Promise<Broker | undefined>
}

export interface BrokerOptions extends Missing {
  /** For faults: one of our own, whatever else is there. */
  readonly own?: boolean
}

const KINDS: Readonly<Record<BrokerName, BrokerKind>> = { kafka, rabbitmq, redis }

/**
 * A running broker: the one the environment names, else one that answers on the default port, else one started from what is installed.
 * Undefined, with one line that says what to install, when there is none.
 * @throws when the one the environment names does not answer, and when there is none and it is `required`: a suite that skips itself proves nothing.
 */
export async function broker(name: BrokerName, options: BrokerOptions = {}): Promise<Broker | undefined> {
  return find(KINDS[name], options)
}

/** The same for any kind of broker. */
export async function find(
  kind: BrokerKind,
  { own = false, env = process.env, ...options }: BrokerOptions = {},
): Promise<Broker | undefined> {
  if (!own) {
    const named = env[kind.variable]
    if (named !== undefined && named !== '') {
      if (await kind.answers(named)) return notOurs(kind, named)
      throw new Error(`${kind.variable} is set and no ${kind.name} answers there: start it, or unset ${kind.variable}`)
    }
    if (await kind.answers(kind.defaultUrl)) return notOurs(kind, kind.defaultUrl)
  }
  return (await kind.start()) ?? missing(kind.name, kind.install, { env, ...options })
}

function notOurs(kind: BrokerKind, url: string): Broker {
  const refuse = async (): Promise<never> => {
    throw new Error(`this ${kind.name} was not started here and is left alone: ask for one with { own: true }`)
  }
  return {
    url,
    env: { MESSAGING_BROKER: kind.name, [kind.variable]: url },
    own: false,
    async stop() {},
    restart: refuse,
    kill: refuse,
    freeze: refuse,
    thaw: refuse,
  }
}
