// Tests of handlers import this before the service's own modules, which read their settings and open their database when they are loaded.
import '@corebus/core/testing'

const NONE = { ENV: '', MYSQL_DSN: '', POSTGRES_DSN: '', MONGO_URI: '', KAFKA_BROKERS: '', ORDER_EXPIRES_AFTER: '' }

Object.assign(process.env, NONE, { ECOMMERCE_DATA: ':memory:' })
