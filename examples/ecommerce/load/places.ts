import { broker, startFerretdb, startMariadb, startPostgres } from '@corebus/testbed'

/** The brokers and databases that the system is run on, beside the embedded ones. */
export const PLACES = {
  'RabbitMQ and PostgreSQL': { broker: 'rabbitmq', variable: 'POSTGRES_DSN', start: startPostgres, mongo: false },
  'Kafka, MariaDB and MongoDB': { broker: 'kafka', variable: 'MYSQL_DSN', start: startMariadb, mongo: true },
  'Redis and PostgreSQL': { broker: 'redis', variable: 'POSTGRES_DSN', start: startPostgres, mongo: false },
} as const

export type PlaceName = keyof typeof PLACES

export interface OpenPlace {
  readonly env: NodeJS.ProcessEnv
  close(): Promise<void>
}

/**
 * Starts what is missing. MySQL is the server at `MYSQL_URL`, else MariaDB, and MongoDB that at `MONGO_URI`, else FerretDB, which speaks its language. All services share one database, as in the seed.
 * Undefined, with a line that says what to do, where one of them cannot be had.
 * @throws under CI=true where one cannot be had
 */
export async function openPlace(name: PlaceName): Promise<OpenPlace | undefined> {
  const { broker: brokerName, variable, start, mongo } = PLACES[name]
  const running: { stop(): Promise<void> }[] = []
  const close = async (): Promise<void> => {
    for (const one of running.reverse()) await one.stop()
  }
  const kept = <T extends { stop(): Promise<void> }>(one: T | undefined): T | undefined => {
    if (one) running.push(one)
    return one
  }
  const found = kept(await broker(brokerName))
  const given = variable === 'MYSQL_DSN' ? process.env.MYSQL_URL : undefined
  const database = given ? { url: given } : found && kept(await start())
  const documents = mongo && database ? await mongoUri(kept) : undefined
  if (!found || !database || (mongo && documents === undefined)) {
    await close()
    return undefined
  }
  return {
    env: { ...found.env, MESSAGING_BROKER: brokerName, [variable]: database.url, ...(documents !== undefined && { MONGO_URI: documents }) },
    close,
  }
}

async function mongoUri(kept: <T extends { stop(): Promise<void> }>(one: T | undefined) => T | undefined): Promise<string | undefined> {
  const { MONGO_URI: given } = process.env
  if (given) return given
  const server = kept(await startFerretdb())
  return server && new URL('ecommerce', server.url).href
}
