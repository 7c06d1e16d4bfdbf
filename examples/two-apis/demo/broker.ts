import { join } from 'node:path'

/** Where the four processes meet. */
export interface MeetingPlace {
  /** What they need in their environment, beside what is there. */
  readonly env: NodeJS.ProcessEnv
  /** Ends what was started here. Safe to call twice. */
  end(): Promise<void>
}

/** Brokers with a server that can be started here, and the variables that say that there is one elsewhere. */
const SERVERS = {
  kafka: /^(KAFKA_BOOTSTRAP_SERVERS|BROKER_(HOST|PORT)|MESSAGING_(USERNAME|PASSWORD|TLS_\w+))$/,
  rabbitmq: /^(RABBITMQ_URL|BROKER_(HOST|PORT|USER|PASSWORD|VHOST)|MESSAGING_(USERNAME|PASSWORD|TLS_\w+))$/,
  redis: /^(REDIS_(URL|HOST|PORT|DB|USER|PASSWORD)|MESSAGING_(USERNAME|PASSWORD|TLS_\w+))$/,
} as const
const NAMES_A_BROKER =
  /^(MESSAGING_BROKER|KAFKA_BOOTSTRAP_SERVERS|RABBITMQ_URL|BROKER_(HOST|PORT|USER|PASSWORD|VHOST)|REDIS_URL|SQLITE_PATH)$/

/**
 * The environment's broker. Without one the embedded one, its file in `folder`. A server that MESSAGING_BROKER names without an address is the
 * one on its usual port, else one that is started for this run.
 * @throws Error for memory, which ends at the process, and for a server that is neither there nor installed, with what to install.
 */
export async function meetingPlace(env: NodeJS.ProcessEnv, folder: string, say: (what: string) => void): Promise<MeetingPlace> {
  const { MESSAGING_BROKER: name } = env
  if (name === 'memory') throw new Error('four processes cannot meet on the memory broker: unset MESSAGING_BROKER, or name another')
  const isSet = (names: RegExp): boolean => Object.entries(env).some(([variable, value]) => value && names.test(variable))
  if (isServer(name) && !isSet(SERVERS[name])) return server(name, env, say)
  // In a folder of that name a file that has to be made is no surprise.
  const file = { SQLITE_PATH: join(folder, '.core', 'messages.db') }
  if (!isSet(NAMES_A_BROKER)) return elsewhere({ MESSAGING_BROKER: 'sqlite', ...file })
  return elsewhere(name === 'sqlite' && !env.SQLITE_PATH ? file : {})
}

function isServer(name: string | undefined): name is keyof typeof SERVERS {
  return name !== undefined && Object.hasOwn(SERVERS, name)
}

function elsewhere(env: NodeJS.ProcessEnv): MeetingPlace {
  return { env, end: async () => undefined }
}

async function server(name: keyof typeof SERVERS, env: NodeJS.ProcessEnv, say: (what: string) => void): Promise<MeetingPlace> {
  // Only who asks for a server needs what can start one.
  const { broker } = await import('@corebus/testbed')
  say(`looks for a ${name} on this machine, and starts one if there is none: some seconds`)
  const found = await broker(name, { env, required: true })
  if (!found) throw new Error(`no ${name} here`)
  say(found.own ? `started one at ${found.url} (it ends with this, its messages too)` : `uses the one at ${found.url}`)
  return { env: found.env, end: () => found.stop() }
}
