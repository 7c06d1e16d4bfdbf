import { expect, test } from 'vitest'
import { MIRROR, mirror, PRODUTOS, produto, side } from '../fixtures/catalog.ts'
import { statusOf } from './status.ts'
import { workingsOf } from './workings.ts'

test('the status of masters and replicas has what is configured, what is there, and what is wrong', async () => {
  const Produto = produto()
  const { cqrs, write, messaging } = await side([Produto, mirror({ group: 'feed_replica', maxRetries: 3 })], `${PRODUTOS}; ${MIRROR}`)
  const status = () => statusOf(workingsOf(messaging))
  const [, before] = await status()
  expect(before).toMatchObject({
    kind: 'replica',
    name: 'produto_mirror',
    group: 'feed_replica',
    retries: 3,
    map: { sku: 'sku', nome: 'nome', preco: 'preco', estoque: 'estoque' },
    troubles: [expect.stringContaining('no master produto has published')],
  })
  const track = (sku: number, sql: string) => write((db) => cqrs.track(db, Produto, sku, () => db.exec(sql)))
  await track(1, "INSERT INTO produtos (sku, nome, preco) VALUES (1, 'n', 1)")
  await track(2, "INSERT INTO produtos (sku, nome, preco) VALUES (2, 'n', 1)")
  await track(1, 'DELETE FROM produtos WHERE sku = 1')
  await messaging.start()
  const [ours, theirs] = await status()
  expect(ours).toEqual({
    kind: 'master',
    id: 'produto',
    table: 'produtos',
    key: 'sku',
    topic: 'produto',
    fields: ['sku', 'nome', 'preco', 'estoque'],
    database: 'a database in memory',
    rows: 1,
    tombstones: 1,
    lastAt: expect.stringMatching(/^\d{4}-/),
  })
  expect(theirs).toMatchObject({ rows: 0, behind: 1, gaps: 0, lastAt: null, waiting: 0, dead: 0, troubles: [] })
})
