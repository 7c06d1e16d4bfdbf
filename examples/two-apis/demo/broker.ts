import { join } from 'node:path'

const NAMES_A_BROKER = ['MESSAGING_BROKER', 'KAFKA_BOOTSTRAP_SERVERS', 'RABBITMQ_URL', 'REDIS_URL', 'SQLITE_PATH']

/** The environment's broker as it is; without one the embedded one, its file in `folder`. @throws Error for memory, which ends at the process. */
export function brokerFor(env: NodeJS.ProcessEnv, folder: string): NodeJS.ProcessEnv {
  if (env.MESSAGING_BROKER === 'memory')
    throw new Error('four processes cannot meet on the memory broker: unset MESSAGING_BROKER, or name another')
  const file = { SQLITE_PATH: join(folder, 'messages.db') }
  if (NAMES_A_BROKER.every((name) => !env[name])) return { MESSAGING_BROKER: 'sqlite', ...file }
  return env.MESSAGING_BROKER === 'sqlite' && !env.SQLITE_PATH ? file : {}
}
