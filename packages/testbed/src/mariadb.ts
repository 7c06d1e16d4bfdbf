import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, giveFolder, ran, server, userNamed } from './database.ts'
import { missing } from './missing.ts'
import { Owned } from './owned.ts'
import { freePort } from './port.ts'

const USER = 'corebus'
/** Debian puts servers where only root looks for programs. */
const PROGRAMS = ['mariadbd', '/usr/sbin/mariadbd', '/usr/local/opt/mariadb/bin/mariadbd', '/opt/homebrew/opt/mariadb/bin/mariadbd']

export interface MariadbOptions {
  /** Options of mariadbd without their dashes, such as `innodb-lock-wait-timeout=2`. */
  readonly config?: readonly string[]
}

/**
 * A MariaDB of its own: a free loopback port, a user who may do everything, and a folder that is removed afterwards. What it commits is on the disk.
 * Started by root it runs as `mysql`. Undefined, with one line that says what to install, where there is none.
 * @throws under CI=true where there is none.
 */
export async function startMariadb({ config = [] }: MariadbOptions = {}): Promise<Database | undefined> {
  const program = PROGRAMS.find((name) => !spawnSync(name, ['--no-defaults', '--version']).error)
  if (program === undefined) return missing('MariaDB', 'apt-get install -y --no-install-recommends mariadb-server')
  const user = userNamed('mysql')
  const folder = mkdtempSync(join(tmpdir(), 'corebus-mariadb-'))
  giveFolder(folder, user)
  const port = await freePort()
  const data = join(folder, 'data')
  const init = join(folder, 'init.sql')
  const socket = join(folder, 'socket')
  const owned = new Owned()
  owned.folder(folder)
  writeFileSync(
    init,
    [
      `CREATE DATABASE IF NOT EXISTS ${USER};`,
      `CREATE USER IF NOT EXISTS ${USER}@'127.0.0.1' IDENTIFIED BY '${USER}';`,
      `GRANT ALL ON *.* TO ${USER}@'127.0.0.1' WITH GRANT OPTION;`,
      '',
    ].join('\n'),
  )
  try {
    // In the system's folder the temporary files of two servers that are made at once have the same names.
    const made = ['--no-defaults', `--datadir=${data}`, `--tmpdir=${folder}`, '--auth-root-authentication-method=normal', '--skip-test-db']
    ran('mariadb-install-db', made, user)
  } catch (error) {
    await owned.end()
    throw error
  }
  const at = ['--no-defaults', '-h', '127.0.0.1', '-P', String(port), '-u', USER, `-p${USER}`]
  const life = await server({
    owned,
    program,
    args: [
      '--no-defaults',
      `--datadir=${data}`,
      `--tmpdir=${folder}`,
      `--socket=${socket}`,
      `--pid-file=${join(folder, 'pid')}`,
      `--init-file=${init}`,
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      '--skip-name-resolve',
      '--character-set-server=utf8mb4',
      ...config.map((line) => `--${line}`),
    ],
    folder,
    user,
    answers: () => spawnSync('mariadb-admin', [...at, 'ping']).status === 0,
  })
  return {
    url: `mysql://${USER}:${USER}@127.0.0.1:${port}/${USER}`,
    port,
    folder,
    ...life,
    sql: (statements) => ran('mariadb', [...at, '-N', '-B', USER], undefined, statements),
  }
}
