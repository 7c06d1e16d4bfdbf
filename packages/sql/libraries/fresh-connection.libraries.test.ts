import { pgSession } from '@corebus/sql'
import { chaosProxy } from '@corebus/testbed'
import { expect, inject, test, vi } from 'vitest'

const { postgres: url = '' } = inject('servers')

test.skipIf(!inject('librariesInstalled') || url === '')(
  'a server of PostgreSQL that ends a connection in one breath with its being ready ends no process',
  async () => {
    const { default: pg } = await import('pg')
    const proxy = await chaosProxy({ port: Number(new URL(url).port) })
    const pool = new pg.Pool({ connectionString: proxy.through(url), application_name: 'doomed' })
    pool.on('error', () => {})
    const outside = new pg.Client(url)
    await outside.connect()
    const doomed = async () => (await outside.query("SELECT pid FROM pg_stat_activity WHERE application_name = 'doomed'")).rows
    try {
      const sessions = pgSession(pool)
      for (const work of [
        () => sessions.write(async () => undefined),
        () => sessions.database.connect?.().then((one) => one.read(async () => undefined)),
      ]) {
        // Both words of the server wait here, and arrive together.
        proxy.freeze('down')
        const working = work()
        working?.catch(() => {}) // looked at below
        await vi.waitFor(async () => expect(await doomed()).toHaveLength(1))
        await outside.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doomed'")
        await vi.waitFor(async () => expect(await doomed()).toHaveLength(0))
        proxy.thaw()
        await expect(working).rejects.toThrow()
      }
    } finally {
      await outside.end()
      await proxy.close()
    }
  },
)
