import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, giveFolder, server, userNamed } from './database.ts'
import { missing } from './missing.ts'
import { Owned } from './owned.ts'
import { freePort, listens } from './port.ts'

const PROGRAMS = ['/usr/sbin/pgbouncer', '/opt/homebrew/bin/pgbouncer', '/usr/local/bin/pgbouncer']

/** A pooler in front of a PostgreSQL. */
export type Pooler = Pick<Database, 'url' | 'port' | 'stop'>

export interface PgbouncerOptions {
  /** How many connections to PostgreSQL it has. Default 2. */
  readonly poolSize?: number
}

/**
 * A PgBouncer in transaction mode before the PostgreSQL at `url`: each transaction may get another connection to it, so what belongs to a connection
 * (LISTEN, prepared statements) does not last. Undefined, with one line that says what to install, where there is none.
 * @throws under CI=true where there is none.
 */
export async function startPgbouncer(url: string, { poolSize = 2 }: PgbouncerOptions = {}): Promise<Pooler | undefined> {
  const program = PROGRAMS.find((one) => existsSync(one))
  if (program === undefined) return missing('PgBouncer', 'apt-get install -y --no-install-recommends pgbouncer')
  const { hostname, port: serverPort, username, pathname } = new URL(url)
  const user = userNamed('postgres')
  const folder = mkdtempSync(join(tmpdir(), 'corebus-pgbouncer-'))
  const port = await freePort()
  const [settings, users] = [join(folder, 'pgbouncer.ini'), join(folder, 'users.txt')]
  writeFileSync(users, `"${username}" ""\n`)
  writeFileSync(
    settings,
    [
      '[databases]',
      `* = host=${hostname} port=${serverPort} user=${username}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = trust',
      `auth_file = ${users}`,
      'pool_mode = transaction',
      `default_pool_size = ${poolSize}`,
      'ignore_startup_parameters = extra_float_digits',
      '',
    ].join('\n'),
  )
  giveFolder(folder, user)
  const owned = new Owned()
  owned.folder(folder)
  const { stop } = await server({ owned, program, args: [settings], folder, user, stopBy: 'SIGINT', answers: () => listens(port) })
  return { url: `postgres://${username}@127.0.0.1:${port}${pathname}`, port, stop }
}
