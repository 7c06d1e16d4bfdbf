import type { ServiceName } from './system.ts'

export const HELP = `Usage: npm run start:ecommerce -- [options]

Runs the services of the e-commerce example and their consumers until Ctrl-C. Makes
missing tables and topics. A process that dies by itself is started again.

Options:
  --broker <name>   sqlite, kafka, rabbitmq or redis
  --write <name>    where services write: sqlite, mysql or postgres
  --read <name>     where the read model is: sqlite, postgres or mongodb
  --only <service>  this service and its consumer alone (repeatable)
  --first-port <n>  the port of user-service; the others have the next ones (default 8081)
  -h, --help        this

Without options .env of each service and the environment decide, and without those
everything is in files of SQLite in .core. A server that is named here is the one of
docker-compose.yaml, unless a variable says where it is: KAFKA_BROKERS, RABBITMQ_URL,
REDIS_URL, MYSQL_DSN, POSTGRES_DSN, MONGO_URI. Without --read the read model is in
MongoDB where MONGO_URI is set, else where --write is; MySQL keeps no documents, so
it is in SQLite then. LOG_LEVEL=info shows requests and warnings alone.

Ctrl-C lets all of them finish and end; a second one ends them at once.

Examples:
  $ npm run start:ecommerce
  $ docker compose up -d --wait
  $ npm run start:ecommerce -- --broker kafka --write mysql --read mongodb
  $ npm run start:ecommerce -- --broker rabbitmq --write postgres --read postgres
  $ npm run start:ecommerce -- --only order-service --broker kafka --write mysql

Exit codes:
  0  all of them have ended well
  1  something failed
  2  a mistake in the command line or the settings`

/** Returns what is said when all of them have come up. */
export function welcome(services: readonly (readonly [ServiceName, number])[], logs: string): string {
  const urls = services.map(([service, port]) => `  ${service.padEnd(16)} http://127.0.0.1:${port}`)
  return `\n${urls.join('\n')}\n\n  every line they say: ${logs}\n  Ctrl-C stops all of it\n`
}
