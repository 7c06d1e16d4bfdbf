import { expect, test } from 'vitest'
import { FIELDS, MIRROR, PRODUTOS, side } from '../fixtures/catalog.ts'
import { applyChange } from './apply.ts'
import { master } from './master.ts'
import { replica } from './replica.ts'

// #region classes
@master('produto', { table: 'produtos', key: 'sku', fields: FIELDS })
class Produto {}

@replica('produto', { table: 'produto_mirror', map: { sku: 'sku', nome: 'nome', preco: 'preco', estoque: 'estoque' } })
class ProdutoMirror {}
// #endregion classes

test('a class that is decorated stands for its definition, wherever that is asked for', async () => {
  const { cqrs, write, outbox, workings, rows, messaging } = await side([Produto, ProdutoMirror] as never, `${PRODUTOS}; ${MIRROR}`)
  await write((db) => cqrs.track(db, Produto, 1, () => db.exec("INSERT INTO produtos (sku, nome, preco) VALUES (1, 'n', 1)")))
  const [bound] = workings.replicas
  const context = { logger: messaging.logger, signal: new AbortController().signal, id: '', headers: {} }
  await write(async (db, tx) => {
    for (const change of outbox.changes) await applyChange(bound!, await bound!.table(tx), change, { ...context, db, tx })
  })
  expect(rows('SELECT sku, nome FROM produto_mirror')).toEqual([{ sku: 1, nome: 'n' }])
  expect(await write((db) => cqrs.revisionOf(db, ProdutoMirror, 1))).toMatchObject({ revision: 1 })
  expect(await write((db) => cqrs.revisionOf(db, Produto, 1))).toMatchObject({ revision: 1 })
  class Plain {}
  await expect(write((db) => cqrs.track(db, Plain, 1, () => undefined))).rejects.toMatchObject({ code: 'REPLICATION' })
  expect(() => {
    @master('one', { table: 'a', key: 'b' })
    @master('two', { table: 'a', key: 'b' })
    class Both {}
    return Both
  }).toThrow('class Both is a master or a replica already')
})
