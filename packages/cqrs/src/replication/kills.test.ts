import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { makeProject } from '../../../core/test/project.ts'

vi.setConfig({ testTimeout: 240_000 })

const KILLS = 3

/** Two services, each with a database of its own, that meet at the embedded broker. */
const COMMON = `
import { createMessaging } from '@corebus/core'
import { master, replica, replication } from '@corebus/cqrs'
import { migrate, sqliteSession, sqlOutbox } from '@corebus/sql'
import { DatabaseSync } from 'node:sqlite'
export const Produto = master('produto', { table: 'produtos', key: 'sku' })
const mirror = replica('produto', { table: 'mirror', map: { sku: 'sku', nome: 'nome', preco: 'preco' } })
export async function service(side) {
  const database = new DatabaseSync(side + '.db')
  database.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000; PRAGMA synchronous = NORMAL')
  database.exec(\`CREATE TABLE IF NOT EXISTS \${side === 'master' ? 'produtos' : 'mirror'} (sku INTEGER PRIMARY KEY, nome TEXT NOT NULL, preco DECIMAL(10,2) NOT NULL)\`)
  const session = sqliteSession(database)
  const outbox = sqlOutbox({ pollMs: 20 })
  const messaging = createMessaging({ broker: 'sqlite', url: 'sqlite:broker.db', service: side, session, outbox, logLevel: 'warn' })
  const cqrs = replication(messaging, side === 'master' ? [Produto] : [mirror])
  await migrate(session, [outbox, cqrs])
  return { database, messaging, cqrs }
}
`

/** Writes until it is killed; with an argument so many times, and ends when all is published. A session makes its relay begin. */
const MASTER = `
import { Produto, service } from './common.js'
const { database, messaging, cqrs } = await service('master')
const most = Number(process.argv[2] ?? Infinity)
for (let n = 0; n < most; n++) {
  // So many rows that few are written again: a change that was lost is not made up for by a later one.
  const skus = [1, 2].map(() => 1 + Math.floor(Math.random() * 300))
  await messaging.session((db) =>
    cqrs.track(db, Produto, skus, () => {
      for (const sku of skus) {
        if (Math.random() < 0.3) db.exec('DELETE FROM produtos WHERE sku = ' + sku)
        else db.exec(\`INSERT INTO produtos VALUES (\${sku}, 'n\${n}', \${n}.5) ON CONFLICT DO UPDATE SET nome = excluded.nome, preco = excluded.preco\`)
      }
    }),
  )
  if (n === 0) console.log('writes')
  await new Promise((resolve) => setTimeout(resolve, 2))
}
await messaging.session(async () => undefined)
const left = () => database.prepare('SELECT count(*) AS n FROM outbox').get().n
while (left() > 0) await new Promise((resolve) => setTimeout(resolve, 20))
await messaging.close()
`

const REPLICA = `
import { service } from './common.js'
const { messaging } = await service('replica')
await messaging.start()
console.log('follows')
`

test('master and replica are killed in the middle of their work, again and again, and end with the same rows', async () => {
  const shop = makeProject(
    { 'common.js': COMMON, 'master.js': MASTER, 'replica.js': REPLICA, 'package.json': JSON.stringify({ name: 'shop', type: 'module' }) },
    { packages: ['sql', 'cqrs'] },
  )
  const killing = async (file: string, says: RegExp): Promise<void> => {
    for (let n = 0; n < KILLS; n++) {
      const running = shop.run([file])
      await running.says(says)
      await pause(200 + Math.random() * 800)
      running.signal('SIGKILL')
      await running.end
    }
  }
  await Promise.all([killing('master.js', /writes/), killing('replica.js', /follows/)])
  const last = shop.run(['replica.js'])
  const { code, stderr } = await shop.node(['master.js', '0'])
  expect([code, stderr]).toEqual([0, ''])
  const open = (file: string): DatabaseSync => {
    const database = new DatabaseSync(join(shop.folder, file), { readOnly: true })
    onTestFinished(() => database.close())
    return database
  }
  const [master, replica] = [open('master.db'), open('replica.db')]
  const ours = master.prepare('SELECT sku, nome, preco FROM produtos ORDER BY sku').all()
  const revisions = 'SELECT k, rev FROM TABLE WHERE gone = 0 ORDER BY k'
  await vi.waitFor(() => expect(replica.prepare('SELECT sku, nome, preco FROM mirror ORDER BY sku').all()).toEqual(ours), {
    timeout: 60_000,
    interval: 100,
  })
  expect(replica.prepare(revisions.replace('TABLE', 'cqrs_replicas')).all()).toEqual(
    master.prepare(revisions.replace('TABLE', 'cqrs_masters')).all(),
  )
  expect(master.prepare('SELECT sum(rev) AS n FROM cqrs_masters').get()?.n).toBeGreaterThan(60)
  last.signal('SIGTERM')
  await last.end
})
