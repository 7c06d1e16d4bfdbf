import { kafka } from './kafka.ts'
import type { Broker, BrokerKind, BrokerName } from './kind.ts'
import { type Missing, missing } from './missing.ts'
import { rabbitmq } from './rabbitmq.ts'
import { redis } from './redis.ts'

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
