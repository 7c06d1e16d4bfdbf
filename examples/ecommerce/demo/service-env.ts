import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { readSettings, type Settings } from '../platform/src/settings/settings.ts'
import type { Choice } from './choice.ts'
import { folderOf } from './service-process.ts'
import { SERVICES, type ServiceName } from './system.ts'

/** The port of the first service, when neither an option nor its .env says another. */
const FIRST_PORT = 8081

/** The addresses of docker-compose.yaml. */
const ADDRESSES = {
  KAFKA_BOOTSTRAP_SERVERS: 'localhost:9092',
  RABBITMQ_URL: 'amqp://guest:guest@localhost:5672',
  REDIS_URL: 'redis://localhost:6379',
  MYSQL_DSN: 'mysql://ecommerce:ecommerce@localhost:3306/ecommerce',
  POSTGRES_DSN: 'postgres://ecommerce:ecommerce@localhost:5432/ecommerce',
  MONGO_URI: 'mongodb://admin:admin@localhost:27017/ecommerce?authSource=admin',
} as const
type Address = keyof typeof ADDRESSES

/** The address of each broker, and the variables that say that it is elsewhere. */
const BROKER_ADDRESSES = {
  kafka: ['KAFKA_BOOTSTRAP_SERVERS', /^KAFKA_(BOOTSTRAP_SERVERS|BROKERS)$/],
  rabbitmq: ['RABBITMQ_URL', /^RABBITMQ_URL$|^BROKER_(HOST|PORT|USER|PASSWORD|VHOST)$/],
  redis: ['REDIS_URL', /^REDIS_(URL|HOST|PORT|DB|USER|PASSWORD)$/],
} as const satisfies Record<string, readonly [Address, RegExp]>

/**
 * Returns the environment of a service: what was chosen, then this environment, then the service's .env. A server that was chosen is the one of
 * docker-compose.yaml, unless a variable says where it is. PORT is each service's own, so this environment's is left out.
 */
export function serviceEnv(service: ServiceName, choice: Choice, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const file = dotEnv(service)
  const here = { ...file, ...env }
  const usual = String(FIRST_PORT + SERVICES.indexOf(service))
  const PORT = choice.firstPort === undefined ? (file.PORT ?? usual) : String(choice.firstPort + SERVICES.indexOf(service))
  return { ...here, ...brokerEnv(choice, here), ...databaseEnv(service, choice, here), PORT }
}

/** Returns the settings of a service, as it will read them itself. @throws SettingsError */
export const serviceSettings = (service: ServiceName, choice: Choice, env: NodeJS.ProcessEnv): Settings =>
  readSettings(service, { port: 0, env: serviceEnv(service, choice, env) })

function dotEnv(service: ServiceName): NodeJS.ProcessEnv {
  const file = join(folderOf(service), '.env')
  return existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}
}

function brokerEnv({ broker }: Choice, here: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (broker === undefined) return {}
  if (broker === 'sqlite') return { MESSAGING_BROKER: broker }
  const [variable, elsewhere] = BROKER_ADDRESSES[broker]
  const isElsewhere = Object.entries(here).some(([name, value]) => value && elsewhere.test(name))
  return { MESSAGING_BROKER: broker, ...(!isElsewhere && { [variable]: ADDRESSES[variable] }) }
}

/**
 * The read model is query-service's own. MONGO_URI is where its documents are; without one they are in the SQL database of that service, beside the
 * journal. MySQL keeps no documents, so there they are in a file of SQLite, if nobody says otherwise.
 */
function databaseEnv(service: ServiceName, { write, read: chosen }: Choice, here: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const keepsDocuments = service === 'query-service'
  const read = chosen ?? (write === 'mysql' && !here.MONGO_URI ? 'sqlite' : undefined)
  const database = keepsDocuments && read !== undefined && read !== 'mongodb' ? read : write
  return {
    ...(database && { MYSQL_DSN: '', POSTGRES_DSN: '' }),
    ...(database === 'mysql' && addressOf('MYSQL_DSN', here)),
    ...(database === 'postgres' && addressOf('POSTGRES_DSN', here)),
    ...(keepsDocuments && read && { MONGO_URI: '' }),
    ...(keepsDocuments && read === 'mongodb' && addressOf('MONGO_URI', here)),
  }
}

const addressOf = (name: Address, here: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({ [name]: here[name] || ADDRESSES[name] })
