import { existsSync, globSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, giveFolder, ran, server, userNamed } from './database.ts'
import { missing } from './missing.ts'
import { Owned } from './owned.ts'
import { freePort } from './port.ts'

const FOLDERS = ['/usr/lib/postgresql/*/bin', '/opt/homebrew/opt/postgresql*/bin', '/usr/local/opt/postgresql*/bin']
const USER = 'corebus'

export interface PostgresOptions {
  /** Lines for postgresql.conf; of two equal names the last wins. */
  readonly config?: readonly string[]
}

/**
 * A PostgreSQL of its own: a free loopback port, a superuser without a password, and a folder that is removed afterwards. What it commits is on the
 * disk (`fsync` is on). The one whose programs are in POSTGRES_HOME, else the newest that is installed; started by root it runs as `postgres`.
 * Undefined, with one line that says what to install, where there is none.
 * @throws under CI=true where there is none.
 */
export async function startPostgres({ config = [] }: PostgresOptions = {}): Promise<Database | undefined> {
  const programs = installed()
  if (programs === undefined)
    return missing(
      'PostgreSQL',
      'apt-get install -y --no-install-recommends postgresql, or set POSTGRES_HOME to the folder of its programs',
    )
  const user = userNamed('postgres')
  const folder = mkdtempSync(join(tmpdir(), 'corebus-postgres-'))
  giveFolder(folder, user)
  const port = await freePort()
  const data = join(folder, 'data')
  const owned = new Owned()
  owned.folder(folder)
  try {
    // Not flushed here: a machine that dies in between has no test that could go on.
    ran(join(programs, 'initdb'), ['-D', data, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'], user)
  } catch (error) {
    await owned.end()
    throw error
  }
  const lines = ["listen_addresses = '127.0.0.1'", "unix_socket_directories = ''", `port = ${port}`, ...config]
  const at = ['-h', '127.0.0.1', '-p', String(port), '-U', USER, '-d', 'postgres']
  const life = await server({
    owned,
    program: join(programs, 'postgres'),
    args: ['-D', data, ...lines.flatMap((line) => ['-c', line.replace(/\s*=\s*'?(.*?)'?$/, '=$1')])],
    folder,
    user,
    // A client that is connected would keep the other way to stop, SIGTERM, waiting for ever.
    stopBy: 'SIGINT',
    wholeFamily: true,
    answers: () => ready(programs, at),
  })
  return {
    url: `postgres://${USER}@127.0.0.1:${port}/postgres`,
    port,
    folder,
    ...life,
    sql: (statements) => ran(join(programs, 'psql'), [...at, '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1'], undefined, statements),
  }
}

function installed(): string | undefined {
  const { POSTGRES_HOME: home } = process.env
  const folders = home ? [home] : FOLDERS.flatMap((pattern) => globSync(pattern))
  const newestFirst = folders.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
  return newestFirst.find((folder) => existsSync(join(folder, 'initdb')))
}

function ready(programs: string, at: readonly string[]): boolean {
  try {
    ran(join(programs, 'pg_isready'), ['-q', ...at])
    return true
  } catch {
    return false
  }
}
