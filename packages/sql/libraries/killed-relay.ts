import mysql from 'mysql2/promise'
import pg from 'pg'
import { ofMysqlPool } from '../src/database/mysql2.ts'
import { ofPgPool } from '../src/database/pg.ts'
import { relayAndDie } from '../src/fixtures/killed-relay.ts'

const [url = '', table = ''] = process.argv.slice(2)
const database = url.startsWith('postgres')
  ? ofPgPool(new pg.Pool({ connectionString: url }), 'a PostgreSQL of the tests')
  : ofMysqlPool(mysql.createPool(url), 'a MariaDB of the tests')
relayAndDie(database, table)
