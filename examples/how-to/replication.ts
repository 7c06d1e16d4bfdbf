import type { DatabaseSync } from 'node:sqlite'
import { createMessaging, exponential, type Messaging } from '@corebus/core'
import { master, type Replication, type RowChange, replica, replication } from '@corebus/cqrs'
import { isUniqueViolation, migrate, sqliteSession, sqlOutbox } from '@corebus/sql'

// #region master
export const Produto = master('produto', {
  table: 'produtos',
  key: 'sku',
  fields: ['sku', 'nome', 'descricao', 'preco', 'estoque'],
})
// #endregion master

// #region replica
export const ProdutoMirror = replica('produto', {
  table: 'produto_mirror',
  map: { sku: 'sku', nome: 'nome', descricao: 'descricao', preco: 'preco', estoque: 'estoque' },
  columns: { revision: 'cqrs_revision', updated: 'cqrs_updated' },
  group: 'feed_replica',
  maxRetries: 5,
  backoff: exponential({ firstMs: 2_000, maxMs: 60_000 }),
  retryIf: (error) => (isUniqueViolation(error) ? false : /ECONN|timeout/i.test(error.message) ? 5 : 3),
})
// #endregion replica

export const TABLES = `
  CREATE TABLE produtos (sku INTEGER PRIMARY KEY, nome TEXT NOT NULL, descricao TEXT NOT NULL, preco DECIMAL(10,2) NOT NULL, estoque INTEGER NOT NULL);
  CREATE TABLE produto_mirror (sku INTEGER PRIMARY KEY, nome TEXT NOT NULL, descricao TEXT NOT NULL, preco DECIMAL(10,2) NOT NULL, estoque INTEGER NOT NULL,
    cqrs_revision INTEGER NOT NULL, cqrs_updated TEXT NOT NULL)`

export type Db = { db: DatabaseSync }

/** Both in one service, which is a test's way: a master and its replicas are in services of their own. */
export async function catalog(database: DatabaseSync): Promise<{ messaging: Messaging<Db>; cqrs: Replication }> {
  // #region configured
  const session = sqliteSession(database)
  const outbox = sqlOutbox()
  const messaging = createMessaging<Db>({ broker: 'memory', service: 'catalog', session, outbox })
  const cqrs = replication(messaging, [Produto, ProdutoMirror])
  await migrate(session, [outbox, cqrs])
  // #endregion configured
  return { messaging, cqrs }
}

export function shop(messaging: Messaging<Db>, { track }: Replication) {
  return {
    // #region track
    create: (sku: number, nome: string, preco: string) =>
      messaging.session((db) =>
        track(db, Produto, sku, () => {
          db.prepare("INSERT INTO produtos VALUES (?, ?, '', ?, 10)").run(sku, nome, preco)
        }),
      ),
    remove: (sku: number) =>
      messaging.session((db) =>
        track(db, Produto, sku, () => {
          db.prepare('DELETE FROM produtos WHERE sku = ?').run(sku)
        }),
      ),
    // #endregion track
    // #region bulk
    discount: (skus: readonly number[], percent: number) =>
      messaging.session((db) =>
        track(db, Produto, skus, () => {
          const change = db.prepare('UPDATE produtos SET preco = round(preco * (100 - ?) / 100, 2) WHERE sku = ?')
          for (const sku of skus) change.run(percent, sku)
        }),
      ),
    // #endregion bulk
    // #region generated
    /** The database gives the key. */
    add: (nome: string) =>
      messaging.session((db) =>
        track(
          db,
          Produto,
          (sku: number) => sku,
          () => Number(db.prepare("INSERT INTO produtos (nome, descricao, preco, estoque) VALUES (?, '', 0, 0)").run(nome).lastInsertRowid),
        ),
      ),
    // #endregion generated
  }
}

export async function freshness(messaging: Messaging<Db>, { revisionOf }: Replication, sku: number): Promise<number | undefined> {
  // #region revision
  const known = await messaging.session((db) => revisionOf(db, ProdutoMirror, sku))
  return known?.revision // and known.updatedAt
  // #endregion revision
}

// #region hooks
/** The hook keeps the rows, in the handler's transaction: this replica has no table of its own. */
export const stock = (cache: Map<string, unknown>) =>
  replica<DatabaseSync>('produto', {
    name: 'stock',
    group: 'stock',
    apply({ kind, key, row }: RowChange, { db }) {
      if (kind === 'delete') db.prepare('DELETE FROM stock WHERE sku = ?').run(key)
      else db.prepare('INSERT OR REPLACE INTO stock VALUES (?, ?)').run(key, Number(row?.estoque))
    },
    applied: ({ key }) => void cache.delete(key), // after the commit: what is beside the database
  })
// #endregion hooks
