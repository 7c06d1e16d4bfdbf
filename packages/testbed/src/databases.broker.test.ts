import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { startMariadb } from './mariadb.ts'
import { listens } from './port.ts'
import { startPostgres } from './postgres.ts'

const [postgres, mariadb] = await Promise.all([
  startPostgres({ config: ['max_connections = 23'] }),
  startMariadb({ config: ['max-connections=23'] }),
])
afterAll(() => Promise.all([postgres?.stop(), mariadb?.stop()]))

describe.each([
  ['PostgreSQL', postgres, startPostgres, "SELECT current_setting('fsync'), current_setting('max_connections')", 'on|23'],
  ['MariaDB', mariadb, startMariadb, 'SELECT @@innodb_flush_log_at_trx_commit, @@max_connections', '1\t23'],
] as const)('a %s of our own', (name, own, start, settings, answer) => {
  const running = own as NonNullable<typeof own>

  test.skipIf(!own)('flushes what it commits, takes settings, and keeps its rows over a restart and a kill', async () => {
    expect(running.sql(settings).trim()).toBe(answer)
    running.sql('CREATE TABLE kept (id INTEGER); INSERT INTO kept VALUES (1)')
    await running.restart()
    running.sql('INSERT INTO kept VALUES (2)')
    await running.kill()
    expect(running.sql('SELECT count(*) FROM kept').trim()).toBe('2')
    expect(() => running.sql('SELECT * FROM missing')).toThrow(/missing/)
  })

  test.skipIf(!own)('frozen it answers nothing on a connection that is open, thawed it goes on', async () => {
    const open = connect(running.port, '127.0.0.1')
    const greeting = once(open, 'data')
    // MariaDB speaks first. PostgreSQL answers one letter to the question for TLS, by a process that it has made for this connection.
    if (name === 'MariaDB') await greeting
    else await once(open, 'connect')
    await pause(100)
    await running.freeze()
    const late = name === 'MariaDB' ? connect(running.port, '127.0.0.1') : open
    const answer = once(late, 'data').then(() => 'answered')
    if (name === 'PostgreSQL') open.write(Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47))
    expect(await Promise.race([answer, pause(300, 'nothing')])).toBe('nothing')
    await running.thaw()
    expect(await answer).toBe('answered')
    open.destroy()
    late.destroy()
  })

  test.skipIf(!own)('stopped, also while it is frozen, nothing is left of it', async () => {
    const second = await start()
    await second?.freeze()
    await second?.stop()
    await second?.stop()
    expect(existsSync(second?.folder ?? '/')).toBe(false)
    expect(await listens(second?.port ?? 0)).toBe(false)
  })
})
